"""Batches of features in place of images, in the same order."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from common.compat import position_in_epoch
from datamodules.features.store import KeptFeatures
from datamodules.features.views import TrainingViews, Views
from datamodules.prepared_dataset import whole_batch

# (epoch, item), or the item alone.
Key = tuple[int, ...] | int
Batch = dict[str, torch.Tensor]


class FeatureDataModule(LightningDataModule):
    """The training and validation batches of an `ImageDataModule`, with features under "image".

    Args:
        views: What the training shows.
        features: The features of every view of it.
    """

    def __init__(self, views: TrainingViews, features: KeptFeatures) -> None:
        super().__init__()
        self.views = views
        self.features = features

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the balanced, augmented train part."""
        data = self.views.data
        sampler = data.train_sampler(lambda: position_in_epoch(self.trainer))
        return self._loader(self.views.of_items, len(data.plan.rows), batch_sampler=sampler)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation part, in the manifest's order, not augmented."""
        data = self.views.data
        rows = data.rows("validation")

        def as_it_is(epoch: int, items: np.ndarray) -> Views:
            return Views(rows[items], np.zeros_like(items))

        return self._loader(as_it_is, len(rows), batch_size=data.loader_config.batch_size)

    def image_names(self, rows: Sequence[int]) -> list[str]:
        """Return the paths of images, below the data's folder, by their manifest rows."""
        return self.views.data.image_names(rows)

    def _loader(self, views_of: Callable[[int, np.ndarray], Views], count: int, **batches: Any) -> DataLoader[Batch]:
        data = self.views.data
        dataset = FeatureDataset(views_of, count, self.features, data.labels)
        return DataLoader(
            dataset, collate_fn=whole_batch, num_workers=0, pin_memory=data.loader_config.pin_memory, **batches
        )


class FeatureDataset(Dataset[Batch]):
    """Features of items, a whole batch at once.

    Args:
        views_of: Returns the views of items, int64, in an epoch.
        count: The number of items.
        features: Of all these views.
        labels: The class index of each manifest row, int64.
    """

    def __init__(
        self, views_of: Callable[[int, np.ndarray], Views], count: int, features: KeptFeatures, labels: np.ndarray
    ) -> None:
        self.views_of = views_of
        self.count = count
        self.features = features
        self.labels = labels

    def __len__(self) -> int:
        return self.count

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return a batch, whose items are of one epoch."""
        numbers = np.array([key if isinstance(key, tuple) else (0, key) for key in keys], np.int64)
        views = self.views_of(int(numbers[0, 0]), numbers[:, 1])
        label = torch.from_numpy(self.labels[views.row])
        return {"image": self.features.of(views), "label": label, "index": torch.from_numpy(views.row)}
