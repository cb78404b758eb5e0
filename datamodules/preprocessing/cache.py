"""Prepared images on disk, made once: a uint8 memory map that runs and workers share."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common.config.data import PrepareConfig
from common.errors import UserError
from common.files import sha256_of_value, write_csv
from datamodules.io.archives import check_space
from datamodules.io.decode import BrokenImageError, common_range, decode_image, least_range_of_file, read_plain_file
from datamodules.io.progress import in_threads, progress_bar, threaded
from datamodules.io.whole_folder import make_once, whole_folder
from datamodules.manifest.manifest import Manifest
from datamodules.preprocessing.ahead import PreparedAhead
from datamodules.preprocessing.background import is_light
from datamodules.preprocessing.chromosome_canvas import TooLargeError
from datamodules.preprocessing.pipeline import PREPARE_VERSION, prepare_image
from datamodules.preprocessing.together import rows_together, with_scales

IMAGES = "images.npy"
RECORDS = "images.csv"


def prepared_images(
    manifest: Manifest,
    config: PrepareConfig,
    cache_dir: Path,
    progress: bool = True,
    ahead: PreparedAhead | None = None,
) -> np.memmap:
    """Return the prepared images of a manifest; prepare them if no run has done so before.

    They are in ``<cache_dir>/prepared/<key>/``: the key is a hash over the settings, the preparation's version and the
    ids, labels and bytes of the images in their order, so a changed file or setting has a cache of its own. The folder
    is written beside its place under a lock and renamed when it is whole. With the array there is a table of the
    originals (image_id, label, width, height, channels, file).

    Args:
        manifest: The images.
        config: The settings.
        cache_dir: The folder of all caches.
        progress: Whether a progress bar may be shown.
        ahead: Images that were prepared while they were scanned; it is closed.

    Returns:
        uint8 RGB, shape (N, *config.stored_shape, 3), read-only; row i is ``manifest.frame.iloc[i]``.

    Raises:
        UserError: A file vanished or changed since the scan; a chromosome is larger than the canvas, or its cell is
            not known; or there is too little space on the disk.
    """
    ahead = ahead or PreparedAhead(config, prepared_folder(cache_dir))
    folder = cache_folder(manifest, config, cache_dir)
    make_once(folder, lambda place: _build(manifest, ahead, place, progress))
    ahead.close()
    prepared: np.memmap = np.load(folder / IMAGES, mmap_mode="r")
    return prepared


def cache_folder(manifest: Manifest, config: PrepareConfig, cache_dir: Path) -> Path:
    """Return the folder of the prepared images of a manifest, which may not be there yet."""
    # Where a cell's chromosomes are scaled together, each image depends on which others are there.
    rows = manifest.rows("image_id", "label", "sha256", *["cell"] * config.scales_by_cell)
    # What is stored does not depend on what it becomes later.
    stored = config.model_dump()
    if config.augment_at is not None:
        stored |= {"size": config.augment_at, "augment_at": None}
    content = {"config": stored, "version": PREPARE_VERSION, "rows": rows}
    if config.background != "black":
        content["range"] = "of the data set"  # of images of more than 8 bits; once of each image
    key = sha256_of_value(content)
    return prepared_folder(cache_dir) / key[:16]


def prepared_folder(cache_dir: Path) -> Path:
    """Return the folder of the prepared images of all manifests."""
    return Path(cache_dir) / "prepared"


def _build(manifest: Manifest, ahead: PreparedAhead, folder: Path, progress: bool) -> None:
    config = ahead.config
    shape = (len(manifest.frame), *config.stored_shape, 3)
    places = ahead.places(manifest)
    key = "augment_at"
    if config.augment_at is None:
        key = "size"
    # A memory map on a full disk ends the process with a bus error: ask before.
    remedy = f"set cache_dir, or a smaller prepare.{key}"
    check_space(folder.parent, int(np.prod(shape)), "the prepared images need", remedy)
    with whole_folder(folder) as beside:
        array = np.lib.format.open_memmap(beside / IMAGES, mode="w+", dtype=np.uint8, shape=shape)
        for row in np.flatnonzero(places >= 0):
            array[row] = ahead.read(places[row])
        _prepare_rows(array, manifest, np.flatnonzero(places < 0).tolist(), config, progress)
        array.flush()
        originals = manifest.frame[["image_id", "label", "width", "height", "channels"]]
        names = manifest.frame["path"].str.rpartition("/")[2]
        write_csv(beside / RECORDS, originals.assign(file=names))


def _prepare_rows(array: np.memmap, manifest: Manifest, rows: list[int], config: PrepareConfig, progress: bool) -> None:
    """Read and prepare the images of manifest rows, and write them to their rows of an array."""
    ranges = _full_ranges(manifest, config, rows, progress)
    cells = manifest.frame["cell"].to_numpy(object)

    def read(row: int) -> np.ndarray:
        return _read_unchanged(manifest, row, config, ranges[row])

    def prepare(together: list[int]) -> int:
        for row, pixels, scale in with_scales(together, cells[together[0]], read, config):
            try:
                array[row] = prepare_image(pixels, config, scale)
            except TooLargeError as error:
                raise UserError(f"{manifest.file(row)}: {error}: {_suggest_fix(pixels, config)}") from error
        return len(together)

    with progress_bar(len(rows), f"preparing {len(rows):,} images", progress) as advance:
        for count in in_threads(prepare, rows_together(manifest.frame, rows, config)):
            advance(count)


def _suggest_fix(pixels: np.ndarray, config: PrepareConfig) -> str:
    """What to do about a chromosome that is larger than the canvas."""
    if config.background == "black" and is_light(pixels):
        return "the background is light and was mistaken for the chromosome, set prepare.background=detect"
    keys = {"image": "scale", "cell": "area", "width": "width"}
    smaller = f"prepare.canvas.{keys[config.canvas.scale_by]}"
    return f"enlarge prepare.size, lower {smaller}, or set prepare.canvas.oversize=shrink"


def _full_ranges(
    manifest: Manifest, config: PrepareConfig, rows: Sequence[int], progress: bool
) -> dict[int, int | None]:
    """Return by row from which range images of more than 8 bits are mapped: one for a cell, or for the whole data set.

    Cells have ranges of their own where they have scales of their own. All images but ``rows`` have 8 bits.
    """
    if config.background == "black":
        return dict.fromkeys(rows)
    files = list(map(manifest.file, rows))
    own = threaded(least_range_of_file, files, len(files), f"reading {len(files):,} images", progress)
    cells = manifest.frame["cell"].to_numpy(object)
    groups: dict[object, dict[int, int | None]] = {}
    for row, full in zip(rows, own, strict=True):
        cell = None
        if config.scales_by_cell and not pd.isna(cells[row]):
            cell = cells[row]
        groups.setdefault(cell, {})[row] = full
    return {row: common_range(group.values()) for group in groups.values() for row in group}


def _read_unchanged(manifest: Manifest, row: int, config: PrepareConfig, full_range: int | None) -> np.ndarray:
    data = _unchanged_bytes(manifest, row)
    try:
        return decode_image(data, config.background, full_range).pixels
    except BrokenImageError as error:
        raise UserError(f"{manifest.file(row)}: {error}") from error


def _unchanged_bytes(manifest: Manifest, row: int) -> bytes:
    path = manifest.file(row)
    try:
        data = read_plain_file(path)
    except BrokenImageError as error:
        raise UserError(f"{path} cannot be read any more ({error}): run again to scan the folder") from error
    if hashlib.sha256(data).hexdigest() != manifest.frame["sha256"].iloc[row]:
        raise UserError(f"{path} changed while the run was being prepared: run again")
    return data
