"""Bring a data set into shape before the training: unpack, check, count, and prepare its images once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datamodules.export import export_images
from datamodules.image_datamodule import ImageDataModule
from datamodules.io.decode import read_image
from datamodules.io.whole_folder import new_whole_folder
from datamodules.manifest.manifest import Manifest
from datamodules.manifest.splits import unused_given_parts
from datamodules.preprocessing.cache import RECORDS, cache_folder, prepared_images
from datamodules.preprocessing.pipeline import equalize_luma, steps_before_resize
from datamodules.sources import list_configured
from datamodules.split_datamodule import SplitDataModule
from datamodules.summary import class_counts, overview
from datamodules.transforms.augmentation import Augmentation
from karyocyte.common.cli import console, say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value
from karyocyte.common.installed import entries
from karyocyte.config.schema import Config, TrainingConfig, as_classifier
from karyocyte.evaluation.sections.examples import PLAIN, Example, draw_sheet
from karyocyte.evaluation.tables.renderers import frame_table
from karyocyte.runs.arguments import new_folder

CLASSES = 4  # an image of each of the first classes is drawn before and after
COPIES = 5
WIDTH = 2.2  # of an image, inches


def prepare_all(configs: Sequence[TrainingConfig], images: bool = True, before_after: Path | None = None) -> None:
    """Prepare the data of each configuration, those that ask for the same once, and draw images of the first.

    Args:
        configs: The configurations.
        images: See ``prepare_data``.
        before_after: Folder for figures of preparation, CLAHE and augmentation, see ``draw_before_after``; or None.
    """
    if before_after is not None:
        new_folder(before_after, "--before-after")
    done: set[str] = set()
    for config in configs:
        # The jobs of a sweep mostly share their images: these facts decide which and how they are prepared.
        facts = config.model_dump(mode="json", include={"data", "data_dir", "cache_dir", "protocol", "prepare"})
        key = sha256_of_value([facts, config.split.test])
        if key in done:
            continue
        data = prepare_data(config, images)
        if before_after is not None and not done:
            used = as_classifier(config)
            say("before and after:", *map(str, draw_before_after(before_after, data.scanned, used)))
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


def prepare_data(config: TrainingConfig, images: bool = True) -> SplitDataModule:
    """Scan a data set, print its tables and, unless they are to be counted alone, prepare its ``images``.

    Those of other networks than classifiers are counted alone.
    """
    other = entries("recipes").get(config.recipe)
    data: SplitDataModule = other.load().data(config) if other else ImageDataModule(config)
    scanned = data.scanned
    say(f"{scanned.source}: {len(scanned.frame):,} images in {scanned.root}", *data.remarks)
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
        say(prepared, originals)
    return data


def draw_before_after(folder: Path, manifest: Manifest, config: Config) -> list[Path]:
    """Draw an image of each of the first classes before and after each change, as figures 1 to 3 of paper 004 do.

    ``preparation.png`` has the steps of ``prepare``, ``clahe.png`` the image without and with CLAHE (also where
    ``prepare.clahe`` is off), ``augmentation.png`` copies as ``transform`` makes them.

    Returns:
        The files.
    """
    prepared = prepared_images(manifest, config.prepare, Path(config.cache_dir))
    augmentation = Augmentation(config.transform, config.seed)
    strips: dict[str, dict[str, list[Example]]] = {"preparation": {}, "CLAHE": {}}
    if augmentation.is_on:
        strips["augmentation"] = {}
    for row in manifest.frame["label"].drop_duplicates().index[:CLASSES]:
        heading = f"{manifest.frame['label'][row]}: {manifest.frame['image_id'][row]}"
        original = read_image(manifest.file(row))
        ready = np.asarray(prepared[row])
        steps = dict(steps_before_resize(original, config.prepare))
        strips["preparation"][heading] = _captioned({"as it is": original, **steps, "prepared": ready})
        # CLAHE comes after the crop.
        before = steps.get("cropped", steps.get("on black", original))
        after = equalize_luma(before, config.prepare.clahe_clip_limit, config.prepare.clahe_tiles)
        strips["CLAHE"][heading] = _captioned({"before": before, "CLAHE": after})
        if "augmentation" in strips:
            copies = {f"copy {number}": augmentation(ready, 0, row, number) for number in range(1, COPIES + 1)}
            strips["augmentation"][heading] = _captioned({"prepared": ready, **copies})
    with new_whole_folder(folder) as beside:
        for name, of_images in strips.items():
            about = {"name": name, "source": manifest.source, "synthetic": manifest.synthetic}
            columns = max(map(len, of_images.values()))
            draw_sheet(beside / f"{name.lower()}.png", about, list(of_images.items()), columns, WIDTH)
    return sorted(folder.glob("*.png"))


def _captioned(images: Mapping[str, np.ndarray]) -> list[Example]:
    """Return images with their names and sizes below."""
    sizes = {name: f"{image.shape[1]} x {image.shape[0]}" for name, image in images.items()}
    return [(image, [(name, PLAIN), (sizes[name], PLAIN)]) for name, image in images.items()]
