"""Single chromosomes out of a picture of a metaphase: which of the pixels in its box belong to each.

A pixel that differs from the ground belongs to one box only, that of which it is nearest to the middle, relative to the
sides. Of these pixels the largest connected part is the chromosome.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from cytogenetics.synthesis.metaphase import GROUND

SHRINK = 2.0  # pixels that no pixel of a chromosome is within, on each side of its box; annotators leave 6 +- 3
FAINT = 0.35  # the threshold of Otsu times this tells chromosomes from the ground: their light bands are above it, too
EDGE = 3  # pixels of white around a chromosome
_NEIGHBOURS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class CutOut:
    """One chromosome of a picture."""

    pixels: np.ndarray  # uint8 gray, shape (H, W), dark on white; white outside the mask
    mask: np.ndarray  # bool, shape (H, W)
    corner: tuple[int, int]  # x and y of the upper left corner in the picture

    @classmethod
    def of(cls, pixels: np.ndarray, mask: np.ndarray, corner: tuple[int, int]) -> "CutOut":
        """Take a part of a picture, bright on black, (H, W), at a corner, where the mask, bool, (H, W), is."""
        dark = np.where(mask, GROUND - pixels, GROUND).astype(np.uint8)
        x, y = corner
        return cls(np.pad(dark, EDGE, constant_values=GROUND), np.pad(mask, EDGE), (x - EDGE, y - EDGE))

    @property
    def outline(self) -> np.ndarray:
        """The outline in pixels of the picture, int32, shape (n, 2), x and y; empty where nothing is seen."""
        contours, _ = cv2.findContours(self.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if not contours:
            return np.zeros((0, 2), np.int32)
        return np.asarray(max(contours, key=cv2.contourArea)[:, 0] + self.corner, np.int32)


def cut_out(picture: np.ndarray, boxes: np.ndarray) -> list[CutOut]:
    """Cut out the chromosomes of a picture.

    Args:
        picture: uint8 gray, shape (H, W), bright on black, see `network_picture`.
        boxes: left, top, right, bottom in pixels, float32, shape (n, 4).

    Returns:
        One for each box, in their order; its mask is empty where the box holds nothing but ground.
    """
    smooth = cv2.GaussianBlur(picture, (3, 3), 0)
    threshold, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    seen = smooth > FAINT * threshold
    owners = _owners(boxes, picture.shape)
    cut = []
    for number, box in enumerate(boxes):
        left, top = np.floor(box[:2]).astype(int).clip(0).tolist()
        right, bottom = np.ceil(box[2:]).astype(int).tolist()
        inside = np.s_[top:bottom, left:right]
        own = owners[inside] == number
        mask = cv2.dilate(largest_part(seen[inside] & own), _NEIGHBOURS).astype(bool) & own
        cut.append(CutOut.of(picture[inside], mask, (left, top)))
    return cut


def _owners(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return the box that each pixel is nearest to the middle of, relative to its sides; int64, (H, W), -1: none."""
    nearest = np.ones(shape)
    owners = np.full(shape, -1)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for number, (left, top, right, bottom) in enumerate(boxes + (SHRINK, SHRINK, -SHRINK, -SHRINK)):
        columns = slice(max(int(left), 0), max(int(right) + 1, 0))
        rows = slice(max(int(top), 0), max(int(bottom) + 1, 0))
        across = np.abs(x[:, columns] - (left + right) / 2) / max(right - left, 1) * 2
        down = np.abs(y[rows] - (top + bottom) / 2) / max(bottom - top, 1) * 2
        distance = np.maximum(across, down)
        nearer = distance < nearest[rows, columns]
        nearest[rows, columns][nearer] = distance[nearer]
        owners[rows, columns][nearer] = number
    return owners


def largest_part(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part of a mask, bool, shape (H, W), without holes; uint8, 0 or 1."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    part = np.zeros(mask.shape, np.uint8)
    if contours:
        cv2.drawContours(part, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return part
