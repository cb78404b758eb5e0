"""Images that a source draws, or unpacks from a published file: written into a folder once."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from datamodules.io.decode import encode_png
from datamodules.io.progress import threaded
from datamodules.io.whole_folder import make_once, whole_folder


def write_once(folder: Path, paths: Sequence[str], draw: Callable[[int], np.ndarray], progress: bool) -> None:
    """Write images as PNG (lossless) into ``folder``, unless all are there; under a lock, whole or not at all.

    The name of the folder must change with its content. ``paths`` end in ".png"; ``draw`` returns an image by its
    number: uint8, shape (H, W) or, as RGB, (H, W, 3).
    """

    def is_whole(folder: Path) -> bool:
        """Tell whether all images are there."""
        return all(os.path.isfile(f"{folder}/{path}") for path in paths)  # noqa: PTH113 (Path is slow for thousands)

    def write_all(folder: Path) -> None:
        """Draw and write all images."""
        with whole_folder(folder) as beside:
            for path in paths:
                (beside / path).parent.mkdir(parents=True, exist_ok=True)

            def write(number: int) -> None:
                """Draw and write an image."""
                (beside / paths[number]).write_bytes(encode_png(draw(number)))

            for _ in threaded(write, range(len(paths)), len(paths), f"writing {len(paths):,} images as PNG", progress):
                pass

    make_once(folder, write_all, is_whole)
