"""Random transforms of pictures with boxes, and of their light alone: pure functions of (seed, epoch, picture)."""

from collections.abc import Sequence

import cv2
import numpy as np

from cytogenetics.metaphases.data.cut_out import cut_out
from datamodules.transforms.operations import Pipeline, chosen_operations, moves_pixels, orientations
from karyocyte.common.errors import UserError
from karyocyte.common.seeds import derive_seed
from karyocyte.config.data import TransformConfig

VISIBLE = 0.4  # share of a box that must stay within the picture: with less it is dropped
MARGIN = 3.0  # pixels between a chromosome and its box: medians of free ones, left and above 3, right and below 2


class BoxAugmentation:
    """Flips, turns and the registered operations, drawn for each (seed, epoch, picture).

    The box of a chromosome that is turned by any angle is the one that its turned outline has: a chromosome seldom
    reaches the corners of its box.

    Args:
        config: Its turns, and the strengths of the operations.
        seed: The run's seed.
        scale: Pixels of the pictures that are transformed per pixel of their files.
    """

    def __init__(self, config: TransformConfig, seed: int, scale: float) -> None:
        self.each_epoch = config.each_epoch
        self.seed = derive_seed("boxes", seed)
        self.margin = np.float32(MARGIN * scale) * np.array([-1, -1, 1, 1], np.float32)
        operations = chosen_operations(config)
        self.by_outlines = any(map(moves_pixels, operations))
        steps = [*orientations(config), *operations]
        self._change = Pipeline(steps, boxes=None if self.by_outlines else VISIBLE, points=self.by_outlines)

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
        if not self.by_outlines:
            done = self._change(seed, image, bboxes=boxes, labels=labels)
            boxes = np.asarray(done["bboxes"], np.float32).reshape(-1, 4)
            return done["image"], boxes, np.asarray(done["labels"], np.int64)
        outlines = _outlines(image, boxes, boxes - self.margin)
        points = np.concatenate([np.zeros((0, 2)), *outlines]) - 0.5  # albumentations counts from the middle of a pixel
        done = self._change(seed, image, keypoints=points)
        ends = np.cumsum([len(outline) for outline in outlines])[:-1]
        moved = [(one.min(axis=0), one.max(axis=0)) for one in np.split(done["keypoints"] + 0.5, ends) if len(one)]
        boxes = np.array(moved, np.float32).reshape(-1, 4) + self.margin
        return done["image"], *_visible(boxes, labels, done["image"].shape)


def _outlines(image: np.ndarray, boxes: np.ndarray, inner: np.ndarray) -> list[np.ndarray]:
    """Return the convex outline of each box's chromosome, float32, shape (k, 2), x and y, stretched to an inner box.

    What crosses a chromosome hides where it ends, and its box does not.
    """
    outlines = []
    for cut, (left, top, right, bottom) in zip(cut_out(image, boxes), inner, strict=True):
        outline = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)  # of a box in which nothing is seen
        if len(cut.outline):
            hull = cv2.convexHull(cut.outline)[:, 0].astype(np.float32)
            outline = (hull - hull.min(axis=0)) / np.ptp(hull, axis=0).clip(1)
        outlines.append(outline * (right - left, bottom - top) + (left, top))
    return outlines


def _visible(boxes: np.ndarray, labels: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes that lie within a picture for the most part, without what is beyond it, and their labels."""
    inside = boxes.clip(0, np.tile(shape[1::-1], 2).astype(np.float32))
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    seen = (inside[:, 2:] - inside[:, :2]).prod(axis=1) >= VISIBLE * area
    return inside[seen], labels[seen]


def changes_of_light(light: TransformConfig | None) -> Pipeline:
    """Return the operations of ``transform``, which change the light of a picture; none without it.

    Raises:
        UserError: One moves pixels.
    """
    operations = chosen_operations(light) if light else []
    if light and (light.flips or light.rotations or any(map(moves_pixels, operations))):
        raise UserError("masks and boxes are not moved: of transform, only brightness, gamma, noise and blur count")
    return Pipeline(operations)
