"""Writes the images of a data set that comes as arrays to files, once: all else reads image files."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from filelock import FileLock

from datamodules.io.progress import threaded
from datamodules.io.whole_folder import whole_folder


def write_once(folder: Path, paths: Sequence[str], images: Sequence[np.ndarray], progress: bool) -> None:
    """Write images as PNG (lossless) into ``folder``, unless it is there: whole or absent.

    It is written beside its place under a lock, and renamed.

    Args:
        folder: The folder to make; its name must change with its content.
        paths: Where each image goes below it, POSIX, ending in ".png".
        images: uint8 arrays of shape (H, W) or, as RGB, (H, W, 3).
        progress: Whether a progress bar may be shown.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f"{folder.name}.lock"):
        if folder.is_dir():  # another process may have made it while this one waited
            return
        with whole_folder(folder) as beside:
            _write_all(beside, paths, images, progress)


def _write_all(folder: Path, paths: Sequence[str], images: Sequence[np.ndarray], progress: bool) -> None:
    for parent in sorted({Path(path).parent for path in paths}):
        (folder / parent).mkdir(parents=True)

    def write(row: int) -> None:
        path = folder / paths[row]
        image = images[row]
        # OpenCV keeps blue first.
        if not cv2.imwrite(str(path), image if image.ndim == 2 else image[..., ::-1]):
            raise OSError(f"cannot write {path}")

    for _ in threaded(write, range(len(paths)), len(paths), f"writing {len(paths):,} images as PNG", progress):
        pass
