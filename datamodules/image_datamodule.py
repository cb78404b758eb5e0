"""The images of a classifier: prepared once, balanced, augmented."""

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from datamodules.manifest.balancing import BalancePlan, plan
from datamodules.manifest.manifest import Manifest
from datamodules.prepared_dataset import Batch, PreparedDataset
from datamodules.preprocessing.cache import prepared_images
from datamodules.split_datamodule import SplitDataModule
from datamodules.transforms.augmentation import Augmentation
from datamodules.transforms.expansion import Expansion, Images
from karyocyte.common.seeds import derive_seed
from karyocyte.config.schema import Config
from karyocyte.config.task import Task


class ImageDataModule(SplitDataModule):
    """The images of one run of a classifier, from the files to the batches.

    ``prepare_data`` fills the cache of prepared images; ``setup`` splits them, looks for leaks and plans the class
    balance. An attribute that is needed before is computed at its first use:

        data = ImageDataModule("folder", data_dir="cells", positive_class="blast", protocol="image", size=96)
        Trainer().fit(model, data)
        next(iter(data.val_dataloader()))["image"]

    A batch is {"image": float32 (B, 3, H, W) in [0, 1], "label": int64 (B,), "index": int64 (B,) manifest row}, also of
    a loader that is used by itself; a batch of several sets, some of any orientation, also says which images are surely
    "upright", bool (B,). On several devices the Trainer takes ``use_distributed_sampler=False``.

    Arguments and errors are those of `SplitDataModule`.
    """

    default_source = "cnmc"
    _takes = Config
    config: Config

    # The images.

    @cached_property
    def expansion(self) -> Expansion:
        """All images; under the protocol ``paper`` with the copies that the paper of the data set makes beforehand."""
        if self.config.protocol != "paper":
            return Expansion(self.scanned, self.config.transform)
        from datamodules.transforms.presplit_augmentation import expanded  # here: for this protocol alone

        return expanded(self.scanned, self.config)

    @cached_property
    def manifest(self) -> Manifest:
        """The images, and what is known of them."""
        return self.expansion.manifest

    @cached_property
    def labels(self) -> np.ndarray:
        """The class index of every manifest row, int64, shape (images,); -1 where the label is unknown."""
        return self._numbered(self.manifest.classes)

    def _numbered(self, classes: Sequence[str]) -> np.ndarray:
        return np.asarray(pd.Categorical(self.manifest.frame["label"], classes).codes, np.int64)

    @property
    def task(self) -> Task:
        """The classes, and how the images are prepared."""
        return Task(self.manifest.classes, self.manifest.positive_class, self.config.prepare)

    def number_as(self, classes: Sequence[str]) -> None:
        """Give ``labels`` the numbers that a classifier of these classes has, until the next ``setup``."""
        self.labels = self._numbered(classes)

    # Their preparation.

    @cached_property
    def images(self) -> Images:
        """The prepared images by manifest row, uint8, shape (N, H, W, 3)."""
        prepared = prepared_images(self.scanned, self.config.prepare, self.cache_dir, self.progress)
        return self.expansion.images(prepared)

    def prepare_data(self) -> None:
        """Fill the cache of prepared images; enough in one process per node."""
        _ = self.images

    def setup(self, stage: str | None = None) -> None:
        """Split the images, look for leaks; for a fit, plan the balance (`SplitDataModule`)."""
        self.number_as(self.manifest.classes)
        super().setup(stage)

    # The sampling.

    @cached_property
    def plan(self) -> BalancePlan:
        """The images of an epoch and their weights."""
        train = self.rows("train")
        seed = derive_seed("balance", self.config.seed, self.config.split.seed, self.config.split.fold)
        balance = self.config.balance.name
        if balance == "hem_all" and self.expansion.is_balanced:
            balance = "none"  # what was evened out before the split is not evened out again
        planned = plan(self.labels[train], train, len(self.manifest.classes), balance, seed)
        weights = {entry.weight for entry in self.manifest.sets.values()}
        return planned if len(weights) < 2 else planned.weighted(self._of_sets("weight"))

    def _of_sets(self, fact: str) -> np.ndarray:
        """Return a fact of the set of each manifest row, shape (images,)."""
        facts = {name: getattr(entry, fact) for name, entry in self.manifest.sets.items()}
        return np.asarray(self.manifest.frame["group"].map(facts))

    def of_training_images(self, count: int) -> Self:
        """Return a copy whose ``predicted`` are at most ``count`` training images, evenly spaced in the manifest."""
        rows = np.unique(self.plan.rows)
        data = copy(self)
        data.predicted = rows[np.linspace(0, len(rows) - 1, min(count, len(rows)), dtype=np.int64)]
        return data

    # The batches.

    def training_set(self) -> Dataset[Any]:
        """Return the augmented images of an epoch, by their place in ``plan``."""
        plan = self.plan
        # What was done before the split is not done again.
        augmentation = Augmentation(self.expansion.transform, self.config.seed)
        return PreparedDataset(self.images, plan.rows, self.labels, plan.copy, augmentation, self.config.prepare)

    def plain_set(self, rows: np.ndarray) -> Dataset[Any]:
        """Return the images of some manifest rows, not augmented."""
        return PreparedDataset(self.images, rows, self.labels, np.zeros_like(rows), prepare=self.config.prepare)

    def on_after_batch_transfer(
        self, batch: Batch | dict[str, torch.Tensor], dataloader_idx: int
    ) -> dict[str, torch.Tensor]:
        """Name the parts of a batch and scale the images to [0, 1]; uint8 until here, a quarter of the transfer.

        A batch of a loader that was made outside of a trainer is complete.
        """
        if isinstance(batch, dict):
            return batch
        image, label, index = batch
        image = image.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
        named = {"image": image, "label": label, "index": index}
        if self._upright is not None:
            named["upright"] = self._upright.to(index.device)[index]
        return named

    @cached_property
    def _upright(self) -> torch.Tensor | None:
        """Which manifest rows are surely upright, bool, shape (images,); None where all are, as far as is known."""
        if all(entry.upright for entry in self.manifest.sets.values()):
            return None
        return torch.from_numpy(self._of_sets("upright").astype(bool))

    # What the user and the run are told.

    def describe(self) -> list[str]:
        """Return what the user should know of the data before the training starts, a line each."""
        copies = int((self.plan.copy > 0).sum())
        epoch = f"balance={self.config.balance.name}: {len(self.plan.rows)} per epoch, {copies} of them copies"
        return [*super().describe(), epoch]

    def warnings(self) -> list[str]:
        """Return also what leaks by copies that are made before the split."""
        return [*self.expansion.warnings, *super().warnings()]
