"""The frame of ``prepare.fit=frame``: a square that the content of nearly all training images fits in."""

from pathlib import Path

import numpy as np

from datamodules.io.decode import DECODE_VERSION
from datamodules.io.progress import threaded
from datamodules.io.whole_folder import make_once, whole_folder
from datamodules.manifest.manifest import Manifest
from datamodules.preprocessing.cache import read_unchanged
from datamodules.preprocessing.pipeline import PREPARE_VERSION, steps_before_resize
from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value
from karyocyte.config.data import PrepareConfig

PERCENTILE = 99  # ours: a few stray images with dirt at the border would make all others small
SIDES = "sides.npz"  # a zip file: it holds a checksum


def frame_of(sides: np.ndarray) -> int:
    """Return the side of the frame in source pixels, by the ``content_sides`` of the training images.

    Raises:
        UserError: There are none.
    """
    if not len(sides):
        raise UserError("prepare.frame=null is measured on the training images, and there are none: give a number")
    return int(np.ceil(np.percentile(sides, PERCENTILE)))


def content_sides(manifest: Manifest, config: PrepareConfig, cache_dir: Path, progress: bool = True) -> np.ndarray:
    """Return the longer side of the content of each image, as the crop leaves it, in pixels, int64, shape (N,).

    They are measured once for all splits and kept in ``<cache_dir>/content_sides/<key>/``.

    Raises:
        UserError: A file vanished or changed since the scan.
    """
    config = config.model_copy(update={"fit": "stretch", "clahe": False})  # background and crop alone
    settings = config.model_dump(include={"background", "crop", "crop_threshold"})
    key = sha256_of_value([settings, DECODE_VERSION, PREPARE_VERSION, manifest.rows("sha256")])[:16]

    def side(row: int) -> int:
        """Return the longer side of the content of an image."""
        image = read_unchanged(manifest, config, row)
        for _, changed in steps_before_resize(image, config):
            image = changed
        return int(max(image.shape[:2]))

    def measure(folder: Path) -> None:
        """Write the sides of all images."""
        rows = range(len(manifest.frame))
        sides = list(threaded(side, rows, len(rows), f"measuring {len(rows):,} images", progress))
        with whole_folder(folder) as beside:
            np.savez(beside / SIDES, sides=np.array(sides, np.int64))

    folder = Path(cache_dir) / "content_sides" / key
    make_once(folder, measure, lambda folder: _read_sides(folder) is not None)
    measured = _read_sides(folder)
    assert measured is not None
    return measured


def _read_sides(folder: Path) -> np.ndarray | None:
    """Return the measured sides; None where there are none, or the file is damaged."""
    try:
        with np.load(folder / SIDES) as content:
            sides: np.ndarray = content["sides"]
            return sides
    except FileNotFoundError:
        return None
    except Exception:  # damaged bytes raise errors of many kinds
        warn(f"{folder} is damaged: the images are measured again")
        return None
