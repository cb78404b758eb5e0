"""Batches of pictures of whole metaphases with the boxes of their chromosomes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from cytogenetics.config.networks import DetectorConfig, MetaphaseConfig, PictureConfig
from cytogenetics.metaphases.data.augmentation import BoxAugmentation
from cytogenetics.metaphases.data.cut_out import network_picture
from datamodules.io.decode import read_image
from datamodules.manifest.manifest import Manifest
from datamodules.prepared_dataset import Key, epochs_and_items
from datamodules.split_datamodule import SplitDataModule
from karyocyte.common.files import sha256_of_value

MULTIPLE = 32  # of pixels that height and width of a batch are padded to


class MetaphaseDataModule(SplitDataModule):
    """Pictures of whole metaphases: the source ``metaphases`` or ``synthetic_metaphases``.

        data = MetaphaseDataModule(data_dir="metaphases.zip", batch_size=2)

    A batch is {"image": float32 (B, 1, H, W) in [0, 1], padded on the right and below to multiples of 32; "boxes": list
    of float32 (n, 4), left, top, right, bottom in pixels of the image; "labels": list of int64 (n,), index into
    `CHROMOSOMES`, or -1 where the class is not known; "index": int64 (B,), manifest row}. Divided by
    ``prepare.canvas.scale``, a box that is not augmented is in pixels of the file.

    Pictures are read when they are needed; chromosomes are bright on black. Arguments and errors are those of
    `SplitDataModule`. ``prepare`` has ``canvas.scale``.
    """

    default_source = "metaphases"
    primary = "detector"
    _takes = MetaphaseConfig
    config: DetectorConfig  # a cutter's has no preparation: `ComposedDataModule` needs none

    def training_set(self) -> Dataset[Any]:
        """Return the augmented pictures of an epoch."""
        prepare = self.config.prepare
        augmentation = BoxAugmentation(self.config.transform, self.config.seed, prepare.canvas.scale)
        return MetaphasePictures(self.manifest, prepare, self.plan.rows, augmentation)

    def plain_set(self, rows: np.ndarray) -> Dataset[Any]:
        """Return pictures of some manifest rows, not augmented."""
        return MetaphasePictures(self.manifest, self.config.prepare, rows)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> dict[str, Any]:
        """Scale the pictures to [0, 1]; uint8 until here, a quarter of the transfer."""
        if batch["image"].is_floating_point():  # of a loader that was made outside of a trainer
            return dict(batch)
        return {**batch, "image": batch["image"].float().div_(255)}

    def content_hash(self) -> str:
        """Return a SHA-256 over the pictures and their boxes."""
        frame = self.manifest.frame
        boxes = [each.tolist() for each in frame["boxes"]]
        return sha256_of_value([super().content_hash(), boxes, [each.tolist() for each in frame["chromosomes"]]])


class PictureSet(Dataset[dict[str, Any]]):
    """Pictures of some manifest rows, int64.

    A batch is fetched as a whole: a DataLoader needs ``collate_fn=whole_batch``.
    """

    def __init__(self, manifest: Manifest, rows: np.ndarray) -> None:
        self.manifest = manifest
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, keys: Sequence[Key]) -> dict[str, Any]:
        """Return a batch."""
        epochs, items = epochs_and_items(keys)
        rows = self.rows[items].tolist()
        return self.batch([self.of_picture(epoch, row) for epoch, row in zip(epochs.tolist(), rows, strict=True)])

    def of_picture(self, epoch: int, row: int) -> dict[str, Any]:
        """Return what a batch has of the picture of a manifest row."""
        raise NotImplementedError

    def batch(self, pictures: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Join what is known of some pictures: here the images of their boxes, and what belongs to these."""
        return {name: torch.from_numpy(np.concatenate([one[name] for one in pictures])) for name in pictures[0]}


class MetaphasePictures(PictureSet):
    """Pictures of some manifest rows as the batches of `MetaphaseDataModule`; the images are uint8."""

    def __init__(
        self, manifest: Manifest, prepare: PictureConfig, rows: np.ndarray, augmentation: BoxAugmentation | None = None
    ) -> None:
        super().__init__(manifest, rows)
        self.prepare = prepare
        self.augmentation = augmentation

    def of_picture(self, epoch: int, row: int) -> dict[str, Any]:
        """Return image, boxes, labels and index."""
        scale = np.float32(self.prepare.canvas.scale)
        boxes, labels = self.manifest.frame[["boxes", "chromosomes"]].iloc[row]
        image = network_picture(read_image(self.manifest.file(row)), float(scale))
        boxes = np.minimum(boxes * scale, np.array(image.shape[::-1] * 2, np.float32))
        if self.augmentation is not None:
            image, boxes, labels = self.augmentation(image, boxes, labels, epoch, row)
        return {"image": image, "boxes": torch.from_numpy(boxes), "labels": torch.from_numpy(labels), "index": row}

    def batch(self, pictures: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Pad the pictures to one size."""
        batch = {name: [one[name] for one in pictures] for name in pictures[0]}
        return {**batch, "image": _padded(batch["image"]), "index": torch.tensor(batch["index"])}


def _padded(images: Sequence[np.ndarray]) -> torch.Tensor:
    """Return pictures (H, W) as one tensor, uint8, shape (B, 1, H, W), with black on the right and below."""
    height, width = np.max([image.shape for image in images], axis=0)
    shape = (len(images), 1, -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE)
    batch = torch.zeros(shape, dtype=torch.uint8)
    for image, place in zip(images, batch, strict=True):
        place[0, : image.shape[0], : image.shape[1]] = torch.from_numpy(image)
    return batch
