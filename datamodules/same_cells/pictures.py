"""Pictures of cells at one scale, each centred on a square canvas, with a mask of the cell."""

from dataclasses import dataclass

import cv2
import numpy as np

from datamodules.io.decode import border, read_image
from datamodules.io.progress import threaded
from datamodules.manifest.manifest import Manifest

SIDE = 160  # of the canvas, pixels
AREA = 8_000  # median area of the cells on the canvas, pixels
_CONTRAST = 20  # gray values: JPEG leaves noise of up to about 20 on an even background
_LIGHT = 235  # a border above it is the white of a slide


@dataclass(frozen=True)
class Pictures:
    """N pictures."""

    green: np.ndarray  # the green channel, in which stained nuclei have most contrast, uint8, shape (N, SIDE, SIDE)
    content: np.ndarray  # mask of what differs from the background, bool, shape (N, SIDE, SIDE)

    def with_others(self, others: "Pictures") -> "Pictures":
        """Return these pictures and, after them, others."""
        green, content = (np.concatenate([getattr(self, name), getattr(others, name)]) for name in ("green", "content"))
        return Pictures(green, content)


def read_pictures(manifest: Manifest, rows: np.ndarray, progress: bool = False) -> Pictures:
    """Read the pictures of some manifest rows; one scale holds for all, by the median area of the cells."""
    scale = float(np.sqrt(AREA / np.median(manifest.frame["area"].iloc[rows])))

    def read(row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return an image, centred and scaled, and the mask of its cell."""
        return centred(read_image(manifest.file(row)), scale)

    found = list(threaded(read, rows.tolist(), len(rows), f"reading {len(rows):,} images", progress))
    return Pictures(*map(np.array, zip(*found, strict=True)))


def centred(image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Scale an image, uint8 RGB (H, W, 3), and centre its cell on the canvas.

    Returns:
        The green channel, uint8, and the mask of the cell, bool, both of shape (SIDE, SIDE).
    """
    background = np.median(border(image), axis=0)
    if background.min() > _LIGHT:
        image, background = 255 - image, 255 - background
    content = (np.abs(image - background.astype(np.int64)) > _CONTRAST).any(axis=2)
    if not content.any():
        content[:] = True
    rows, columns = np.nonzero(content)
    x, y = (SIDE - 1) / 2 - scale * columns.mean(), (SIDE - 1) / 2 - scale * rows.mean()
    onto = np.array([[scale, 0, x], [0, scale, y]])
    averaged = max(1, round(1 / scale))  # what would fall between the pixels of a smaller picture
    green = cv2.warpAffine(cv2.blur(image[..., 1], (averaged, averaged)), onto, (SIDE, SIDE))
    covered = cv2.warpAffine(content.astype(np.float32), onto, (SIDE, SIDE))
    return green, covered > 0.99
