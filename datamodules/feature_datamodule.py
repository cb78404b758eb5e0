"""Batches of features in place of images that are the same in every epoch, in the same order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from common.compat import position_in_epoch
from datamodules.image_datamodule import ImageDataModule
from datamodules.prepared_dataset import Batch, Key, PreparedDataset, whole_batch
from datamodules.transforms.augmentation import Augmentation


class FeatureDataModule(LightningDataModule):
    """The training and validation batches of an `ImageDataModule`, with ``features`` under "image".

    Its ``predict_dataloader`` serves the images that the features are computed of, each once.

    Attributes:
        rows: The manifest rows of these images, int64, ascending.
        features: Of each of them, shape (images, ...); to be set before the first training batch.
    """

    def __init__(self, data: ImageDataModule) -> None:
        super().__init__()
        self.data = data
        self.rows = np.unique(np.concatenate([data.rows("validation"), data.plan.rows]))
        self.features = torch.empty(0)

    @property
    def images_change(self) -> bool:
        """Whether random transforms show an image differently from epoch to epoch."""
        augmentation = Augmentation(self.data.expansion.transform, self.data.seed)
        return self.data.transform_config.batched or augmentation.is_on

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the balanced train part."""
        sampler = self.data.train_sampler(lambda: position_in_epoch(self.trainer))
        return self._loader(self.data.plan.rows, batch_sampler=sampler)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation part, in the manifest's order."""
        return self._loader(self.data.rows("validation"), batch_size=self.data.loader_config.batch_size)

    def predict_dataloader(self) -> DataLoader[Batch]:
        """The images."""
        data = self.data
        images = PreparedDataset(data.images, self.rows, data.labels, prepare=data.prepare_config)
        return data.loader(images, batch_size=data.loader_config.batch_size)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Scale images; batches of features are complete."""
        return batch if isinstance(batch, dict) else self.data.on_after_batch_transfer(batch, dataloader_idx)

    def image_names(self, rows: Sequence[int]) -> list[str]:
        """Return the paths of images, below the data's folder, by their manifest rows."""
        return self.data.image_names(rows)

    def _loader(self, rows: np.ndarray, **batches: Any) -> DataLoader[Any]:
        dataset = _Features(self, rows)
        pin_memory = self.data.loader_config.pin_memory
        return DataLoader(dataset, collate_fn=whole_batch, num_workers=0, pin_memory=pin_memory, **batches)


class _Features(Dataset[dict[str, torch.Tensor]]):
    """Features of items, a whole batch at once; ``rows`` has the manifest row of each item."""

    def __init__(self, module: FeatureDataModule, rows: np.ndarray) -> None:
        self.module = module
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, keys: Sequence[Key]) -> dict[str, torch.Tensor]:
        """Return a batch by (epoch, item), or the item alone."""
        items = [key[1] if isinstance(key, tuple) else key for key in keys]
        row = self.rows[items]
        features = self.module.features[torch.from_numpy(np.searchsorted(self.module.rows, row))]
        label = torch.from_numpy(self.module.data.labels[row])
        return {"image": features, "label": label, "index": torch.from_numpy(row)}
