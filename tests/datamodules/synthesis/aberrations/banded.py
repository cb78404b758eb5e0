"""Single chromosomes drawn straight, with bands that a test knows, in memory."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from datamodules.synthesis.metaphase import GROUND, Chromosome


def banded(
    label: str = "5",
    rows: int = 80,
    width: int = 14,
    edges: Sequence[int] = (8, 24, 36, 52, 64),
    lean: float = 0.0,
    image_id: str = "a.png",
) -> Chromosome:
    """A bar of so many rows whose bands, light and dark by turns, end at ``edges``; ``lean`` in columns per row."""
    grays = np.where(np.searchsorted(edges, np.arange(rows), side="right") % 2 == 0, 200.0, 80.0)
    line = np.rint(gaussian_filter1d(grays, 2.5)).astype(np.uint8)
    left = np.rint(lean * np.arange(rows)).astype(int)
    left -= left.min()
    columns = np.arange(width + left.max() + 2)[None, :] - 1 - left[:, None]
    mask = (columns >= 0) & (columns < width)
    return Chromosome(label, np.where(mask, line[:, None], GROUND).astype(np.uint8), mask, image_id)


def lines(chromosome: Chromosome) -> list[bytes]:
    """The gray values of each row within the mask, from top to bottom: what is left when pieces are shifted aside."""
    rows = zip(chromosome.pixels, chromosome.mask, strict=True)
    return [pixels[inside].tobytes() for pixels, inside in rows if inside.any()]
