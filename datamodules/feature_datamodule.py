"""Batches of features in place of images that are the same in every epoch, in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from datamodules.image_datamodule import ImageDataModule
from datamodules.prepared_dataset import Batch, Key, PreparedDataset, epochs_and_items, whole_batch
from datamodules.transforms.augmentation import Augmentation
from karyocyte.common.compat import position_in_epoch

AS_IT_IS = -1  # in place of the number of a copy: a validation image is not transformed


class FeatureDataModule(LightningDataModule):
    """The training and validation batches of an `ImageDataModule`, with ``features`` under "image".

    Its ``predict_dataloader`` serves the ``count`` images that the features are computed of, as a training shows them;
    ``features``, shape (count, ...), are to be set before the first training batch.
    """

    def __init__(self, data: ImageDataModule) -> None:
        super().__init__()
        self.data = data
        self._augmentation = Augmentation(data.expansion.transform, data.config.seed)
        validation = data.rows("validation")
        rows = np.concatenate([validation, data.plan.rows])
        copies = np.concatenate([np.full_like(validation, AS_IT_IS), data.plan.copy])
        order = np.lexsort((copies, rows))
        self.count = len(rows)
        self.features = torch.empty(0)
        self.rows = rows[order]
        self._copies = copies[order]
        self._validation, self._train = np.split(np.argsort(order), [len(validation)])

    @property
    def images_change(self) -> bool:
        """Whether random transforms show an image differently from epoch to epoch."""
        transform = self.data.expansion.transform
        transforms_any = transform.apply_to == "all" or bool(self.data.plan.copy.any())
        return self._augmentation.is_on and transform.each_epoch and transforms_any

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the balanced train part."""
        return self._loader(self._train, batch_sampler=self.data.train_sampler(lambda: position_in_epoch(self.trainer)))

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation part, in the manifest's order."""
        return self._loader(self._validation, batch_size=self.data.config.loader.batch_size)

    def predict_dataloader(self) -> DataLoader[Batch]:
        """The images."""
        data = self.data
        images = PreparedDataset(
            data.images, self.rows, data.labels, self._copies, self._augmented_image, prepare=data.config.prepare
        )
        return data.loader(images, self.trainer, batch_size=data.config.loader.batch_size)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Scale images; batches of features are complete."""
        if isinstance(batch, dict):
            return batch
        return self.data.on_after_batch_transfer(batch, dataloader_idx)

    def _augmented_image(self, image: np.ndarray, epoch: int, row: int, copy: int) -> np.ndarray:
        if copy == AS_IT_IS:
            return image
        return self._augmentation(image, epoch, row, copy)

    def _loader(self, places: np.ndarray, **batches: Any) -> DataLoader[Any]:
        dataset = _Features(self, places)
        return DataLoader(
            dataset, collate_fn=whole_batch, num_workers=0, pin_memory=torch.cuda.is_available(), **batches
        )


@dataclass(eq=False)
class _Features(Dataset[dict[str, torch.Tensor]]):
    """Features of items, a whole batch at once."""

    module: FeatureDataModule
    places: np.ndarray  # of each item among the images

    def __len__(self) -> int:
        return len(self.places)

    def __getitems__(self, keys: Sequence[Key]) -> dict[str, torch.Tensor]:
        """Return a batch by (epoch, item), or the item alone."""
        places = self.places[epochs_and_items(keys)[1]]
        rows = self.module.rows[places]
        label = torch.from_numpy(self.module.data.labels[rows])
        image = self.module.features[torch.from_numpy(places)]
        return {"image": image, "label": label, "index": torch.from_numpy(rows)}
