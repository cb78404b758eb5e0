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
WHITE = 255


class MetaphaseDataModule(SplitDataModule):
    """Pictures of whole metaphases: the source ``metaphases`` or ``synthetic_metaphases``.

        data = MetaphaseDataModule(data_dir="metaphases.zip", batch_size=2)

    A batch is {"image": float32 (B, 1, H, W) in [0, 1], padded on the right and below to multiples of 32; "boxes": list
    of float32 (n, 4), left, top, right, bottom in pixels of the image; "labels": list of int64 (n,), index into
    `CHROMOSOMES`, or -1 where the class is not known; "index": int64 (B,), manifest row}. Divided by
    ``prepare.canvas.scale``, a box that is not augmented is in pixels of the file.

    Pictures are read when they are needed. Arguments and errors are those of `SplitDataModule`. ``prepare`` has
    ``canvas.scale`` and ``background``: with ``detect`` chromosomes are bright on black, otherwise dark on white.
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


class MetaphasePictures(Dataset[dict[str, Any]]):
    """Pictures of some manifest rows, int64, as the batches of `MetaphaseDataModule`; the images are uint8.

    A batch is fetched as a whole: a DataLoader needs ``collate_fn=whole_batch``.
    """

    def __init__(
        self, manifest: Manifest, prepare: PictureConfig, rows: np.ndarray, augmentation: BoxAugmentation | None = None
    ) -> None:
        self.manifest = manifest
        self.prepare = prepare
        self.rows = rows
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, keys: Sequence[Key]) -> dict[str, Any]:
        """Return a batch."""
        epochs, items = epochs_and_items(keys)
        rows = self.rows[items]
        scale = np.float32(self.prepare.canvas.scale)
        images, all_boxes, all_labels = [], [], []
        for epoch, row in zip(epochs.tolist(), rows.tolist(), strict=True):
            boxes, labels = self.manifest.frame[["boxes", "chromosomes"]].iloc[row]
            image = network_picture(read_image(self.manifest.file(row)), float(scale))  # bright on black
            boxes = np.minimum(boxes * scale, np.array(image.shape[::-1] * 2, np.float32))
            if self.augmentation is not None:
                image, boxes, labels = self.augmentation(image, boxes, labels, epoch, row)
            images.append(image)
            all_boxes.append(torch.from_numpy(boxes))
            all_labels.append(torch.from_numpy(labels))
        batch = _padded(images)
        if self.prepare.background != "detect":
            batch = WHITE - batch
        return {"image": batch, "boxes": all_boxes, "labels": all_labels, "index": torch.from_numpy(rows)}


def _padded(images: Sequence[np.ndarray]) -> torch.Tensor:
    """Return pictures (H, W) as one tensor, uint8, shape (B, 1, H, W), with black on the right and below."""
    height, width = np.max([image.shape for image in images], axis=0)
    shape = (len(images), 1, -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE)
    batch = torch.zeros(shape, dtype=torch.uint8)
    for image, place in zip(images, batch, strict=True):
        place[0, : image.shape[0], : image.shape[1]] = torch.from_numpy(image)
    return batch
