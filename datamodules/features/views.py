"""Which views of which images a training shows: few enough to compute the features of each once."""

from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from datamodules.image_datamodule import ImageDataModule
from datamodules.prepared_dataset import Batch, PreparedDataset
from datamodules.transforms.augmentation import Augmentation
from datamodules.transforms.turns import FLIPPED, ROTATED, VIEWS


class Views(NamedTuple):
    """Views of images: the manifest row and the number in `turns.VIEWS` of each, int64, of one length."""

    row: np.ndarray
    view: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        """A number for each, int64."""
        return np.asarray(self.row * len(VIEWS) + self.view, np.int64)

    @classmethod
    def of_codes(cls, codes: np.ndarray) -> "Views":
        """Return the views that have these numbers."""
        return cls(*np.divmod(codes, len(VIEWS)))


class TrainingViews:
    """The views that the training and validation images of a data module are shown in.

    Args:
        data: The images.
    """

    def __init__(self, data: ImageDataModule) -> None:
        self.data = data
        self.augmentation = Augmentation(data.expansion.transform, data.seed)
        self.of_epoch = lru_cache(maxsize=1)(self._of_epoch)

    @cached_property
    def obstacle(self) -> str | None:
        """Why an image has more views than can be kept, in words; None where it has not."""
        if self.data.transform_config.batched or not self.augmentation.turns_alone:
            return "transform changes images by more than flips and right angles"
        return None

    def of_items(self, epoch: int, items: np.ndarray) -> Views:
        """Return what items of the balance plan, int64, look like in an epoch."""
        first = epoch if self.augmentation.config.each_epoch else 0
        return Views(self.data.plan.rows[items], self.of_epoch(first)[items])

    @cached_property
    def all(self) -> Views:
        """Every view that the training may show, and the validation images as they are; each once."""
        plan = self.data.plan
        as_they_are = self.data.rows("validation")
        shown = [Views(as_they_are, np.zeros_like(as_they_are))]
        if self.augmentation.config.each_epoch:
            shown += self._of_any_epoch(plan.rows[plan.copy == 0], plan.rows[plan.copy > 0])
        else:
            shown.append(self.of_items(0, np.arange(len(plan.rows))))
        return Views.of_codes(np.unique(np.concatenate([each.codes for each in shown])))

    def _of_any_epoch(self, originals: np.ndarray, copies: np.ndarray) -> list[Views]:
        config = self.augmentation.config
        turned = [*FLIPPED * config.flips, *ROTATED * config.rotations]
        rows = {0: [originals]}
        for number in turned:
            rows[number] = [copies]
            if config.apply_to == "all" and config.probability:
                rows[number].append(originals)
        if not turned:
            rows[0].append(copies)
        each = {number: np.concatenate(values) for number, values in rows.items()}
        return [Views(values, np.full_like(values, number)) for number, values in each.items()]

    def _of_epoch(self, epoch: int) -> np.ndarray:
        plan = self.data.plan
        drawn = zip(plan.rows.tolist(), plan.copy.tolist(), strict=True)
        return np.array([self.augmentation.view(epoch, row, copy) for row, copy in drawn], np.int64)


class ViewDataModule(LightningDataModule):
    """Serves views of images to a prediction, in their order; batches are those of `ImageDataModule`."""

    def __init__(self, data: ImageDataModule, views: Views) -> None:
        super().__init__()
        self.data = data
        self.views = views

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Batches of the views."""
        data = self.data
        images = PreparedDataset(
            data.images, self.views.row, data.labels, self.views.view, _turned, prepare=data.prepare_config
        )
        return data.loader(images, batch_size=data.loader_config.batch_size)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> dict[str, torch.Tensor]:
        """Scale the images."""
        return self.data.on_after_batch_transfer(batch, dataloader_idx)


def _turned(image: np.ndarray, epoch: int, row: int, view: int) -> np.ndarray:
    return VIEWS[view](image)
