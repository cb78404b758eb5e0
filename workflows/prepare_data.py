"""Bring a data set into shape before the training: unpack, check, count, and prepare its images once."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from common.cli import console, say, warn
from common.config.schema import Config
from common.errors import UserError
from common.files import sha256_of_value
from datamodules.manifest.splits import split
from datamodules.preprocessing.cache import RECORDS, cache_folder, prepared_images
from datamodules.sources import scan, sources
from datamodules.summary import class_counts, overview, write_kind_sheet
from datamodules.transforms.presplit_augmentation import expand
from evaluation.terminal import frame_table


def prepare_all(configs: Sequence[Config], images: bool = True, sheet: Path | None = None) -> None:
    """Prepare the data of each configuration, those that ask for the same once; see :func:`prepare_data`."""
    done: set[str] = set()
    for config in configs:
        facts = (config.data, config.data_dir, config.cache_dir, config.prepare, config.protocol, config.split.test)
        key = sha256_of_value([fact.model_dump(mode="json") if isinstance(fact, BaseModel) else fact for fact in facts])
        if key not in done:
            prepare_data(config, images, sheet if not done else None)
            done.add(key)


def prepare_data(config: Config, images: bool = True, sheet: Path | None = None) -> None:
    """Scan a data set, print its tables and prepare its images.

    Args:
        config: Its ``data``, ``data_dir``, ``cache_dir``, ``prepare`` and all that decides its split.
        images: Whether images are prepared, or only unpacked and counted.
        sheet: Where one image of each kind or class is drawn, a PNG file; None: nowhere.

    Raises:
        UserError: The images cannot be read or prepared.
    """
    cache = Path(config.cache_dir)
    scanned = scan(config.data, config.data_dir, cache)
    say(f"{scanned.source}: {len(scanned.frame):,} images in {scanned.root}", *scanned.remarks)
    home = sources()[config.data.source].home
    if home and scanned.incomplete:
        warn(f"not the whole set: the rest can be had at {home}")
    if sheet is not None:
        say(f"{write_kind_sheet(scanned, sheet)} images, one of each kind or class: {sheet}")
    expansion = expand(scanned, config.data, config.protocol, config.split, config.transform)
    warn(*expansion.warnings)
    try:
        parts = split(expansion.manifest, config.protocol, config.split, config.data.paper_split)
    except UserError as error:
        parts = None
        warn(f"no split: {error}")
    title = f"protocol={config.protocol}, fold {config.split.fold}"
    counts = class_counts(expansion.manifest, parts)
    console.print(frame_table(overview(expansion.manifest, parts), title), frame_table(counts, "classes"))
    if images:
        prepared = prepared_images(scanned, config.prepare, cache)
        height, width = prepared.shape[1:3]
        folder = cache_folder(scanned, config.prepare, cache)
        originals = f"label, original size, channels and file name of each: {folder / RECORDS}"
        say(f"prepared: {len(prepared):,} images of {width} x {height} pixels in {folder}", originals)
