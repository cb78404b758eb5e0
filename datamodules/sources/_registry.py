"""The data sources by name: a module of this package registers its function that lists what is on disk."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from common.config.data import SourceConfig
from common.errors import UserError
from datamodules.io.archives import resolve_data_dir
from datamodules.manifest.manifest import Listing
from datamodules.sources._files import lone_folder


@dataclass(frozen=True)
class SourceContext:
    """What a source is given beside its own settings.

    Attributes:
        data_dir: The folder of the images, a zip already unpacked; None where none is named.
        cache_dir: Where drawn, unpacked and converted images are kept.
        progress: Whether progress bars may be shown.
    """

    data_dir: str | None
    cache_dir: Path
    progress: bool = True


Lister = Callable[[Any, SourceContext], Listing]


@dataclass(frozen=True)
class Source:
    """A data source.

    Attributes:
        config: Its settings; their key ``source`` is its name.
        list_images: Lists the images without opening them.
        reads_data_dir: Whether it reads ``data_dir``; a drawn source does not.
        finds_folders: Whether it finds its folders by their names wherever they lie in ``data_dir``.
        home: Where the published set can be had.
    """

    config: type[SourceConfig]
    list_images: Lister
    reads_data_dir: bool = True
    finds_folders: bool = False
    home: str | None = None


SOURCES: dict[str, Source] = {}


def source(config: type[SourceConfig], **facts: Any) -> Callable[[Lister], Lister]:
    """Register a function that lists the images of a source.

    Args:
        config: The settings of the source.
        **facts: See `Source`.
    """

    def register(lister: Lister) -> Lister:
        (name,) = get_args(config.model_fields["source"].annotation)
        SOURCES[name] = Source(config, lister, **facts)
        return lister

    return register


def list_images(data: SourceConfig, context: SourceContext) -> Listing:
    """List the images of a source without opening them; of a zip in ``data_dir``, those that it is unpacked to."""
    entry = SOURCES[data.source]
    if entry.reads_data_dir:
        context = replace(context, data_dir=_unpacked(data, entry, context))
    return entry.list_images(data, context)


def _unpacked(data: SourceConfig, entry: Source, context: SourceContext) -> str | None:
    """The data folder; of a zip the folder it is unpacked to, or the lone folder that everything in it lies in."""
    data_dir = context.data_dir
    if getattr(data, "download", False) and data_dir and _is_a_file(data_dir):
        raise UserError(f"data.download=true needs a folder, not data_dir={data_dir}: name one, or data.download=false")
    resolved = resolve_data_dir(data_dir, context.cache_dir, context.progress)
    if resolved is None or resolved == data_dir or entry.finds_folders:
        return resolved
    root = Path(resolved)
    table = getattr(data, "file", None)
    while (inner := lone_folder(root)) is not None and not (table and (root / table).is_file()):
        root = inner
    return str(root)


def _is_a_file(data_dir: str) -> bool:
    """Whether it is a file, or would be one: a zip that is not there."""
    place = Path(data_dir).expanduser()
    return place.is_file() or (place.suffix.lower() == ".zip" and not place.is_dir())
