"""What benchmarks share: a table for the terminal, and images."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

SIDE = 450  # pixels of the files, as those of C-NMC


def show(table: pd.DataFrame, title: str, columns: Collection[str]) -> None:
    """Print some columns of a table."""
    # It loads the metrics, a second for which --help would wait.
    from karyocyte.evaluation.tables.renderers import frame_table

    Console().print(frame_table(table[[*columns]], title))


def write_images(folder: Path, number: int) -> None:
    """Write smooth noise as JPEG files of two classes, "a" and "b"."""
    import cv2  # slow, like the metrics

    rng = np.random.default_rng(0)
    for name in range(number):
        place = folder / "ab"[name % 2] / f"{name:05}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), cv2.resize(rng.integers(0, 256, (16, 16, 3), np.uint8), (SIDE, SIDE)))
