"""Random transforms of pictures with boxes: a pure function of (seed, epoch, picture)."""

from typing import Any

import albumentations as A
import numpy as np

from datamodules.transforms.augmentation import chosen_operations
from karyocyte.common.config.data import TransformConfig
from karyocyte.common.errors import UserError
from karyocyte.common.seeds import derive_seed

VISIBLE = 0.4  # share of a box that must stay within the picture: with less it is dropped


class BoxAugmentation:
    """Flips, turns and the registered operations, drawn for each (seed, epoch, picture).

    The box of a turned chromosome is the smallest around the turned corners of its box. A ``UserError`` says that
    ``config.batched`` is true.
    """

    def __init__(self, config: TransformConfig, seed: int) -> None:
        if config.batched:
            raise UserError("transform.batched=true does not transform boxes: set transform=metaphases")
        self.each_epoch = config.each_epoch
        self.seed = derive_seed("boxes", seed)
        boxes = A.BboxParams("pascal_voc", label_fields=["labels"], clip=True, min_visibility=VISIBLE)
        self._steps: list[Any] = []
        for step in [*_turns(config), *chosen_operations(config)]:
            moves = isinstance(step, A.DualTransform)
            self._steps.append(A.Compose([step], bbox_params=boxes) if moves else step)

    def __call__(
        self, image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, epoch: int, row: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return picture, boxes and labels, transformed; boxes that leave the picture are dropped.

        Args:
            image: uint8 gray, shape (H, W), on black.
            boxes: left, top, right, bottom in pixels, float32, shape (n, 4).
            labels: int64, shape (n,).
            epoch: The epoch within the stage; without ``each_epoch`` it does not matter.
            row: The picture's row in the manifest.
        """
        seed = derive_seed("picture", self.seed, epoch * self.each_epoch, row)
        done: dict[str, Any] = {"image": image, "bboxes": boxes, "labels": labels}
        for number, step in enumerate(self._steps):
            step.set_random_seed((seed + number) % 2**32)
            if isinstance(step, A.Compose):
                done = step(**done)
            else:  # changes the light
                done["image"] = step(image=done["image"])["image"]
        boxes = np.asarray(done["bboxes"], np.float32).reshape(-1, 4)
        return done["image"], boxes, np.asarray(done["labels"], np.int64)


def _turns(config: TransformConfig) -> list[Any]:
    if config.flips and config.rotations:
        return [A.D4(p=config.probability)]
    if config.rotations:
        return [A.RandomRotate90(p=config.probability)]
    return [A.HorizontalFlip(p=config.probability), A.VerticalFlip(p=config.probability)] * config.flips
