"""Images that are prepared together: the chromosomes of a cell where one scale fits all of them, else each alone."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from common.config.data import PrepareConfig
from datamodules.preprocessing.background import on_black
from datamodules.preprocessing.chromosome_canvas import area_of, scales

MOST_KEPT = 256  # images of a cell that are decoded at the same time


def rows_together(frame: pd.DataFrame, rows: Sequence[int], config: PrepareConfig) -> list[list[int]]:
    """Divide rows of a manifest's frame into those that are prepared together, in the order of their first ones."""
    if not config.scales_by_cell:
        return [[row] for row in rows]
    together: dict[object, list[int]] = {}
    for row, cell in zip(rows, frame["cell"].iloc[list(rows)], strict=True):
        together.setdefault(row if pd.isna(cell) else (cell,), []).append(row)
    return list(together.values())


def with_scales(
    rows: Sequence[int], cell: object, read: Callable[[int], np.ndarray], config: PrepareConfig
) -> Iterator[tuple[int, np.ndarray, float]]:
    """Yield images that are prepared together, each with its row and by how much it is scaled on a canvas.

    Args:
        rows: As `rows_together` returns them.
        cell: The cell that they are of; None where it is not known.
        read: Returns the image of a row, uint8 RGB, shape (H, W, 3); those of a large cell are read twice.
        config: The settings.

    Raises:
        UserError: The cell must be known, and is not.
    """
    if len(rows) <= MOST_KEPT:
        kept = {row: read(row) for row in rows}
        read = kept.__getitem__
    areas = np.zeros(len(rows))
    if config.scales_by_cell:
        areas[:] = [_area(read(row), config) for row in rows]
    for row, scale in zip(rows, scales(areas, np.array([cell] * len(rows), object), config), strict=True):
        yield row, read(row), float(scale)


def _area(image: np.ndarray, config: PrepareConfig) -> int:
    if config.background == "detect":
        image = on_black(image)
    return area_of(image, config.crop_threshold)
