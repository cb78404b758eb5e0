"""Where images come from: one small file per source, each with a function that lists what is on disk."""

import re
from pathlib import Path
from typing import Any, get_args

from common.config.defaults import group_defaults
from common.config.layers import typed_section
from common.config.schema import (
    ChromosomesConfig,
    Cifar10Config,
    CnmcConfig,
    ComposedKaryogramsConfig,
    DataConfig,
    FolderConfig,
    HemAllConfig,
    KaryogramsConfig,
    MnistConfig,
    SourceConfig,
    SyntheticChromosomesConfig,
    SyntheticConfig,
    TableConfig,
)
from common.errors import UserError
from datamodules.io.archives import resolve_data_dir
from datamodules.manifest.manifest import Listing, Manifest
from datamodules.manifest.scan import scan_listing
from datamodules.sources._files import lone_folder
from datamodules.sources.chromosomes import list_chromosomes
from datamodules.sources.cifar10 import list_cifar10
from datamodules.sources.cnmc import list_cnmc, list_hem_all
from datamodules.sources.composed_karyograms import list_composed_karyograms, whole_cells
from datamodules.sources.folder import list_folder
from datamodules.sources.karyograms import list_karyograms
from datamodules.sources.mnist import list_mnist
from datamodules.sources.synthetic_cells import list_synthetic
from datamodules.sources.synthetic_chromosomes import list_synthetic_chromosomes
from datamodules.sources.table import list_table
from datamodules.synthesis.aberrations.numerical import check_changes

_MODELS = {model.model_fields["source"].annotation.__args__[0]: model for model in get_args(get_args(DataConfig)[0])}


def source_config(data: str | SourceConfig, **keys: Any) -> SourceConfig:
    """Return the typed settings of a source: the defaults of ``conf/data/<data>.yaml`` with ``keys`` in their place.

    Raises:
        UserError: There is no such file, a key is unknown, or a value does not fit.
    """
    if isinstance(data, SourceConfig):
        return typed_section(type(data), data.model_dump(), keys, "data") if keys else data
    defaults = group_defaults("data", data)
    return typed_section(_MODELS[defaults["source"]], defaults, keys, "data")


def scan(data: SourceConfig, data_dir: str | Path | None, cache_dir: Path, progress: bool = True) -> Manifest:
    """List the images of a source, open each once and return the manifest.

    Args:
        data: The source and its settings.
        data_dir: The folder of the images, or a zip file of it; the synthetic sources need none.
        cache_dir: Where facts of the files (and unpacked and drawn images) are kept between runs.
        progress: Whether a progress bar may be shown.

    Raises:
        UserError: The folder is missing or empty, does not have the source's layout, a class has no image, the positive
            class is not said, or an image is broken.
    """
    listing = list_images(data, None if data_dir is None else str(data_dir), Path(cache_dir), progress)
    return scan_listing(listing, data.on_broken, cache_dir, progress)


def list_images(data: SourceConfig, data_dir: str | None, cache_dir: Path, progress: bool = True) -> Listing:  # noqa: C901, PLR0911
    """List the images of a source without opening them; arguments and errors are those of `scan`."""
    if isinstance(data, SyntheticConfig):
        return list_synthetic(data, cache_dir, progress)
    if isinstance(data, SyntheticChromosomesConfig):
        return list_synthetic_chromosomes(data, cache_dir, progress)
    if isinstance(data, ComposedKaryogramsConfig):
        check_changes(data)  # before thousands of chromosomes are drawn or read
        return list_composed_karyograms(data, _chromosomes(data, data_dir, cache_dir, progress), cache_dir, progress)
    data_dir = _unpacked(data, data_dir, cache_dir, progress)
    match data:
        case CnmcConfig():
            return list_cnmc(data, data_dir)
        case FolderConfig():
            return list_folder(data, data_dir)
        case TableConfig():
            return list_table(data, data_dir)
        case ChromosomesConfig():
            return list_chromosomes(data, data_dir)
        case MnistConfig():
            return list_mnist(data, data_dir, cache_dir, progress)
        case Cifar10Config():
            return list_cifar10(data, data_dir, cache_dir, progress)
        case HemAllConfig():
            return list_hem_all(data, data_dir)
        case KaryogramsConfig():
            return list_karyograms(data, data_dir)
    raise TypeError(f"no source for {type(data).__name__}")


def _chromosomes(data: ComposedKaryogramsConfig, data_dir: str | None, cache_dir: Path, progress: bool) -> Manifest:
    """The single chromosomes that karyograms are composed of; errors name their keys as they stand here."""
    source = data.chromosomes
    try:
        listing = list_images(source, data_dir, cache_dir, progress)
        return whole_cells(scan_listing(listing, source.on_broken, cache_dir, progress), listing)
    except UserError as error:
        keys = "|".join(type(source).model_fields)
        raise UserError(re.sub(rf"\bdata\.({keys})\b", r"data.chromosomes.\1", str(error))) from error


def _unpacked(data: SourceConfig, data_dir: str | None, cache_dir: Path, progress: bool) -> str | None:
    """The data folder; of a zip the folder it is unpacked to, or the lone folder that everything in it lies in."""
    if getattr(data, "download", False) and data_dir and _is_a_file(data_dir):
        raise UserError(f"data.download=true needs a folder, not data_dir={data_dir}: name one, or data.download=false")
    found = resolve_data_dir(data_dir, cache_dir, progress)
    if found is None or found == data_dir or isinstance(data, CnmcConfig | HemAllConfig):
        return found  # the challenge's folders are found by their names
    root = Path(found)
    table = getattr(data, "file", None)
    while (inner := lone_folder(root)) is not None and not (table and (root / table).is_file()):
        root = inner
    return str(root)


def _is_a_file(data_dir: str) -> bool:
    """Whether it is a file, or would be one: a zip that is not there."""
    place = Path(data_dir).expanduser()
    return place.is_file() or (place.suffix.lower() == ".zip" and not place.is_dir())
