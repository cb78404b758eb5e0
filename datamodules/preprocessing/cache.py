"""Prepared images on disk, made once: a uint8 memory map that runs and workers share, checked whenever it is read."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datamodules.io.decode import DECODE_VERSION, BrokenImageError, decode_image, read_plain_file
from datamodules.io.progress import in_threads, progress_bar
from datamodules.io.resize import TooLargeError
from datamodules.io.whole_folder import check_disk_space, make_once, whole_folder
from datamodules.manifest.manifest import Manifest
from datamodules.preprocessing.pipeline import PREPARE_VERSION, image_scales, prepare_image
from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value, write_csv
from karyocyte.config.data import PrepareConfig

IMAGES = "images.npy"
RECORDS = "images.csv"
DIGEST = "crc32"  # column of the table
_TOO_LARGE = "enlarge prepare.size, or set prepare.canvas.oversize=shrink"


def digest_of(folder: Path, image: np.ndarray) -> int:
    """Return the CRC-32 of an image of a folder, which is another one for an equal image of another folder."""
    return zlib.crc32(image.data, zlib.crc32(folder.name.encode()))


class CheckedImages:
    """Prepared images by row, uint8 RGB, shape (H, W, 3), read-only.

    Each image is checked by its CRC-32 whenever it is read; a damaged one is prepared anew, with a warning. The folder
    holds `IMAGES` and the table `RECORDS` with a column `DIGEST`; a ``UserError`` says that it is damaged. ``prepare``
    returns the image of a row as it was prepared.
    """

    def __init__(self, folder: Path, prepare: Callable[[int], np.ndarray]) -> None:
        self.folder = folder
        self._prepare = prepare
        try:
            self._images = np.asarray(np.load(folder / IMAGES, mmap_mode="r"))
            self._digests = pd.read_csv(folder / RECORDS, usecols=[DIGEST], dtype=np.uint32)[DIGEST].to_numpy()
        except (ValueError, EOFError, FileNotFoundError) as error:
            raise self._damage() from error
        if self._images.dtype != np.uint8 or len(self._images) != len(self._digests):
            raise self._damage()
        self.shape: tuple[int, ...] = self._images.shape

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a process that is not forked open the files itself, rather than send it all images."""
        return CheckedImages, (self.folder, self._prepare)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, row: int) -> np.ndarray:
        image: np.ndarray = self._images[row]
        if digest_of(self.folder, image) == int(self._digests[row]):
            return image
        image = self._prepare(row)
        if digest_of(self.folder, image) != int(self._digests[row]):  # the table is damaged, or of another folder
            raise self._damage()
        warn(f"{self.folder}: image {row} is damaged: it is prepared anew")
        np.load(self.folder / IMAGES, mmap_mode="r+")[row] = image
        return image

    def _damage(self) -> UserError:
        return UserError(f"{self.folder} is damaged: delete it, the same command prepares its images again")


def prepared_images(manifest: Manifest, config: PrepareConfig, cache_dir: Path, progress: bool = True) -> CheckedImages:
    """Return the prepared images of a manifest; prepare them if no run has done so before.

    They are in ``<cache_dir>/prepared/<key>/``: the key is a hash over the settings, the preparation's version and the
    ids, labels and bytes of the images in their order, so a changed file or setting has a cache of its own. The folder
    is written beside its place under a lock and renamed when it is whole. With the array there is a table of the
    originals (image_id, label, width, height, channels, file) and the CRC-32 of each prepared image.

    Returns:
        uint8 RGB, shape (N, *config.stored_shape, 3), read-only; row i is ``manifest.frame.iloc[i]``.

    Raises:
        UserError: A file vanished or changed since the scan; a chromosome is larger than the canvas, or its cell is
            not known; there is too little space on the disk; or the folder is damaged.
    """
    folder = cache_folder(manifest, config, cache_dir)
    prepare = partial(_prepare_again, manifest, config)

    def is_whole(folder: Path) -> bool:
        """Tell whether the files of the folder can be opened and have one length; its images are checked when read."""
        try:
            return len(CheckedImages(folder, prepare)) == len(manifest.frame)
        except UserError:
            return False

    make_once(folder, partial(_build, manifest, config, progress=progress), is_whole)
    return CheckedImages(folder, prepare)


def cache_folder(manifest: Manifest, config: PrepareConfig, cache_dir: Path) -> Path:
    """Return the folder of the prepared images of a manifest, which may not be there yet."""
    # Where a cell's chromosomes are scaled together, each image depends on which others are there.
    rows = manifest.rows("image_id", "label", "sha256", *["cell"] * config.scales_by_cell)
    # What is stored does not depend on what it becomes later.
    stored = {**config.former, **config.model_dump()}
    if config.augment_at is not None:
        stored |= {"size": config.augment_at, "augment_at": None}
    content = {"config": stored, "version": [DECODE_VERSION, PREPARE_VERSION], "rows": rows}
    return Path(cache_dir) / "prepared" / sha256_of_value(content)[:16]


def _build(manifest: Manifest, config: PrepareConfig, folder: Path, progress: bool) -> None:
    shape = (len(manifest.frame), *config.stored_shape, 3)
    key = "size" if config.augment_at is None else "augment_at"
    # A memory map on a full disk ends the process with a bus error: ask before.
    remedy = f"set cache_dir, or a smaller prepare.{key}"
    check_disk_space(folder.parent, int(np.prod(shape)), "the prepared images need", remedy)
    with whole_folder(folder) as beside:
        array = np.lib.format.open_memmap(beside / IMAGES, mode="w+", dtype=np.uint8, shape=shape)
        digests = _prepare_rows(array, manifest, config, progress, partial(digest_of, folder))
        array.flush()
        originals = manifest.frame[["image_id", "label", "width", "height", "channels"]]
        names = manifest.frame["path"].str.rpartition("/")[2]
        write_csv(beside / RECORDS, originals.assign(file=names, **{DIGEST: digests}))


def _prepare_rows(
    array: np.memmap, manifest: Manifest, config: PrepareConfig, progress: bool, digest: Callable[[np.ndarray], int]
) -> np.ndarray:
    """Read and prepare the images of a manifest, and write them to their rows of an array; return their digests."""
    digests = np.zeros(len(array), np.int64)

    def prepare(rows: np.ndarray) -> int:
        """Prepare some rows; return how many."""
        for row, image in zip(rows, _prepare_together(manifest, config, rows), strict=True):
            array[row] = image
            digests[row] = digest(image)
        return len(rows)

    count = len(array)
    with progress_bar(count, f"preparing {count:,} images", progress) as advance:
        for done in in_threads(prepare, _rows_together(manifest, config)):
            advance(done)
    return digests


def _prepare_together(manifest: Manifest, config: PrepareConfig, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the prepared images of rows of one cell, or of one row."""
    pixels = [read_unchanged(manifest, config, row) for row in rows]
    scales = image_scales(pixels, manifest.frame["cell"].to_numpy(object)[rows], config)
    for row, original, scale in zip(rows, pixels, scales, strict=True):
        try:
            yield np.ascontiguousarray(prepare_image(original, config, scale))
        except TooLargeError as error:
            raise UserError(f"{manifest.file(row)}: {error}: {_TOO_LARGE}") from error


def _prepare_again(manifest: Manifest, config: PrepareConfig, row: int) -> np.ndarray:
    """Return the prepared image of a row."""
    rows = next(rows for rows in _rows_together(manifest, config) if row in rows)
    return list(_prepare_together(manifest, config, rows))[list(rows).index(row)]


def _rows_together(manifest: Manifest, config: PrepareConfig) -> Iterable[np.ndarray]:
    """The rows that are prepared together: those of a cell where one scale fits all of them, else each alone."""
    rows = pd.Series(manifest.frame.index)
    cells = rows.astype(object)
    if config.scales_by_cell:
        cells = manifest.frame["cell"].fillna(cells)
    together: dict[int, np.ndarray] = rows.groupby(pd.factorize(cells)[0]).indices
    return together.values()


def read_unchanged(manifest: Manifest, config: PrepareConfig, row: int) -> np.ndarray:
    """Return the image of a row, uint8 RGB, shape (H, W, 3); a ``UserError`` says that it is not the scanned one."""
    path = manifest.file(row)
    try:
        data = read_plain_file(path)
    except BrokenImageError as error:
        raise UserError(f"{path} cannot be read any more ({error}): run again to scan the folder") from error
    if hashlib.sha256(data).hexdigest() != manifest.frame["sha256"].iloc[row]:
        raise UserError(f"{path} changed while the run was being prepared: run again")
    try:
        return decode_image(data, config.background).pixels
    except BrokenImageError as error:
        raise UserError(f"{path}: {error}") from error
