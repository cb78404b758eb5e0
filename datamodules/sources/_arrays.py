"""Writes the images of a data set that comes as arrays to files, once: the house reads image files."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from filelock import FileLock

from datamodules.io.progress import threaded


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
        for left_over in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(left_over)  # of a run that was killed: the lock is ours
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write_all(beside, paths, images, progress)
            beside.chmod(0o755)  # mkdtemp's folders are private
            beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


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
