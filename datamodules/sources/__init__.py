"""Where images come from: one small module per source, with its settings and a function that lists what is on disk."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from omegaconf import OmegaConf
from pydantic_core import to_jsonable_python

from common.config.data import SourceConfig
from common.config.defaults import group_defaults
from common.config.explain import validated
from common.errors import UserError
from datamodules.io.archives import resolve_data_dir
from datamodules.manifest.manifest import Manifest
from datamodules.manifest.scan import scan_listing
from datamodules.sources._files import image_files, is_hidden, name_groups, require_data_dir

__all__ = [  # what a module of a source needs is imported from here
    "Source",
    "SourceContext",
    "image_files",
    "list_images",
    "name_groups",
    "require_data_dir",
    "scan",
    "source",
    "source_config",
    "source_models",
    "sources",
]


@dataclass(frozen=True)
class SourceContext:
    """What a source is given beside its settings: the folder of the images, unpacked, and one for those it writes."""

    data_dir: str | None
    cache_dir: Path
    progress: bool = True


Lister = Callable[[Any, SourceContext], Manifest]


@dataclass(frozen=True)
class Source:
    """A data source."""

    config: type[SourceConfig]  # its settings; their key ``source`` is its name
    list_images: Lister  # lists the images without opening them
    reads_data_dir: bool = True  # whether it reads ``data_dir``; a drawn source does not
    finds_folders: bool = False  # whether it finds its folders by their names wherever they lie in ``data_dir``
    home: str | None = None  # where the published set can be had


_SOURCES: dict[str, Source] = {}


def source(config: type[SourceConfig], **facts: Any) -> Callable[[Lister], Lister]:
    """Register a function that lists the images of the source with these settings; ``facts`` as in `Source`."""

    def register(lister: Lister) -> Lister:
        (name,) = get_args(config.model_fields["source"].annotation)
        _SOURCES[name] = Source(config, lister, **facts)
        return lister

    return register


@cache
def sources() -> dict[str, Source]:
    """Return the data sources by name: those that the modules of this package register."""
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            import_module(f"{__name__}.{module.name}")
    return _SOURCES


def source_models() -> dict[str, type[SourceConfig]]:
    """Return the settings of each source by its name."""
    return {name: entry.config for name, entry in sources().items()}


def source_config(data: str | SourceConfig, **keys: Any) -> SourceConfig:
    """Return the typed settings of a source: the defaults of ``conf/data/<data>.yaml`` with ``keys`` in their place.

    Raises:
        UserError: There is no such file, a key is unknown, or a value does not fit.
    """
    if isinstance(data, str):
        defaults = group_defaults("data", data)
    elif keys:
        defaults = data.model_dump()
    else:
        return data
    merged = OmegaConf.merge(defaults, to_jsonable_python(keys))
    return validated(sources()[defaults["source"]].config, OmegaConf.to_container(merged, resolve=True), "data")


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
    return scan_listing(list_images(data, data_dir, cache_dir, progress), data.on_broken, cache_dir, progress)


def list_images(data: SourceConfig, data_dir: str | Path | None, cache_dir: Path, progress: bool = True) -> Manifest:
    """List the images of a source without opening them; arguments and errors are those of `scan`."""
    entry = sources()[data.source]
    context = SourceContext(None if data_dir is None else str(data_dir), Path(cache_dir), progress)
    if entry.reads_data_dir:
        context = replace(context, data_dir=_unpacked(data, entry, context))
    return entry.list_images(data, context)


def _unpacked(data: SourceConfig, entry: Source, context: SourceContext) -> str | None:
    """The data folder; of a zip the folder it is unpacked to, or the lone folder that everything in it lies in."""
    data_dir = context.data_dir
    if getattr(data, "download", False) and data_dir:
        place = Path(data_dir).expanduser()
        if place.is_file() or (place.suffix.lower() == ".zip" and not place.is_dir()):
            remedy = "name one, or data.download=false"
            raise UserError(f"data.download=true needs a folder, not data_dir={data_dir}: {remedy}")
    resolved = resolve_data_dir(data_dir, context.cache_dir, context.progress)
    if resolved is None or resolved == data_dir or entry.finds_folders:
        return resolved
    root = Path(resolved)
    table = getattr(data, "file", None)
    while not (table and (root / table).is_file()):
        entries = [entry for entry in root.iterdir() if not is_hidden(entry.name)]
        if len(entries) != 1 or not entries[0].is_dir():
            break
        root = entries[0]
    return str(root)
