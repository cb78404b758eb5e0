"""Small pictures of a run's test images: what a report shows, since it loads neither data nor model."""

from pathlib import Path

import numpy as np

from common.pictures import THUMBNAILS, write_pictures
from common.predictions import Predictions


def write_thumbnails(folder: Path, predictions: Predictions, images: np.ndarray, rows: np.ndarray, size: int) -> None:
    """Write ``thumbnails.parquet`` into a run's folder.

    Args:
        folder: The run's.
        predictions: Of the test part.
        images: Prepared images, uint8, shape (M, H, W, 3) RGB; it may lie on disk.
        rows: Where in ``images`` the image of each row of ``predictions`` is, int64, shape (N,).
        size: Longest side in pixels; 0 writes nothing.
    """
    if size:
        pictures = (images[row] for row in rows)
        write_pictures(folder / THUMBNAILS, predictions.frame["image_id"], pictures, size)
