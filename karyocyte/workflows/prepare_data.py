"""Bring a data set into shape before the training: unpack, check, count, and prepare its images once."""

from collections.abc import Sequence
from pathlib import Path

from datamodules.export import export_images
from datamodules.image_datamodule import ImageDataModule
from datamodules.manifest.splits import unused_given_parts
from datamodules.preprocessing.cache import cache_folder
from datamodules.preprocessing.checked_images import RECORDS
from datamodules.sources import find_source, list_configured
from datamodules.split_datamodule import SplitDataModule
from datamodules.summary import class_counts, overview
from karyocyte.common.cli import console, say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value
from karyocyte.common.installed import entries
from karyocyte.config.schema import TrainingConfig
from karyocyte.evaluation.tables.renderers import frame_table


def prepare_all(configs: Sequence[TrainingConfig], images: bool = True) -> None:
    """Prepare the data of each configuration, those that ask for the same once; ``images``: see ``prepare_data``."""
    done: set[str] = set()
    for config in configs:
        # The jobs of a sweep mostly share their images: these facts decide which and how they are prepared.
        facts = config.model_dump(mode="json", include={"data", "data_dir", "cache_dir", "protocol", "prepare"})
        key = sha256_of_value([facts, config.split.test])
        if key not in done:
            prepare_data(config, images)
        done.add(key)


def export_set(configs: Sequence[TrainingConfig], folder: Path) -> None:
    """Write images of a configuration into a new folder.

    Synthetic images are copied, see ``export_images``; what is written of an installed source, its package knows.

    Raises:
        UserError: There are several configurations, the images are of another kind, or the folder exists already.
    """
    if len(configs) > 1:
        raise UserError("--export takes one data set: give each key of data one value")
    (config,) = configs
    own = entries("exports").get(config.data.source)
    if own:
        say(f"{own.load()(config, folder, console.is_terminal):,} images in {folder}")
        return
    manifest = list_configured(config)
    export_images(manifest, folder)
    say(f"{len(manifest.frame):,} synthetic images in {folder}", *manifest.notes)


def prepare_data(config: TrainingConfig, images: bool) -> None:
    """Scan a data set, print its tables and, unless they are to be counted alone, prepare its ``images``.

    Those of other networks than classifiers are counted alone.
    """
    other = entries("recipes").get(config.recipe)
    data: SplitDataModule = other.load().data(config) if other else ImageDataModule(config)
    scanned = data.scanned
    say(f"{scanned.source}: {len(scanned.frame):,} images in {scanned.root}", *data.remarks)
    home = find_source(config.data).home
    if home and scanned.incomplete:
        warn(f"not the whole set: the rest can be had at {home}")
    if isinstance(data, ImageDataModule):
        warn(*data.expansion.warnings)
    try:
        parts = data.parts
        warn(*unused_given_parts(data.manifest, config.protocol, config.split))
    except UserError as error:
        parts = None
        warn(f"no split: {error}")
    title = f"protocol={config.protocol}, fold {config.split.fold}"
    counts = class_counts(data.manifest, parts)
    console.print(frame_table(overview(data.manifest, parts), title), frame_table(counts, "classes"))
    if images and isinstance(data, ImageDataModule):
        data.prepare_data()
        height, width = data.config.prepare.stored_shape
        folder = cache_folder(scanned, data.config.prepare, data.cache_dir)
        originals = f"label, original size, channels and file name of each: {folder / RECORDS}"
        prepared = f"prepared: {len(scanned.frame):,} images of {width} x {height} pixels in {folder}"
        say(prepared, originals, *data.shrunk())
