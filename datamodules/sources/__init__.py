"""Where images come from: one small module per source, with a function that lists what is on disk.

The settings of a source are in karyocyte/config/sources.py; a source of a user's own has them in its module, and an
installed package names both as entry points, ``karyocyte.sources`` the function and ``karyocyte.data`` the settings.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from datamodules.io.whole_folder import UNPACKED
from datamodules.manifest.manifest import Manifest
from datamodules.manifest.persons import link_subjects
from datamodules.manifest.same_cells import SameCells
from datamodules.manifest.scan import scan_listing
from datamodules.manifest.spellings import describe_spellings, describe_unknown, spellings
from karyocyte.common.errors import UserError
from karyocyte.common.installed import entries
from karyocyte.common.text import counted
from karyocyte.config.schema import TrainingConfig
from karyocyte.config.sources import SourceConfig


@dataclass(frozen=True)
class SourceContext:
    """What a source is given beside its settings: the folder or zip file of the images, and where it may write."""

    data_dir: str | None
    cache_dir: Path
    progress: bool = True
    follow_links: bool = False  # those that lead out of the data folder
    alike_names: Literal["report", "distinct"] = "report"


Lister = Callable[[Any, SourceContext], Manifest]  # lists the images without opening them

_SOURCES: dict[type[SourceConfig], Lister] = {}
# The module of a source has its name but for these.
_MODULES = {"hem_all": "cnmc", "karyograms": "folder", "synthetic": "synthetic_cells"}


def source(config: type[SourceConfig]) -> Callable[[Lister], Lister]:
    """Register a function that lists the images of the source with these settings."""

    def register(lister: Lister) -> Lister:
        """Register the function under the settings of the source."""
        _SOURCES[config] = lister
        return lister

    return register


def find_source(data: SourceConfig) -> Lister:
    """Return what lists the images of the source with these settings; no module of another source is loaded."""
    if type(data) not in _SOURCES:  # the module of a user's own source was loaded for its settings
        installed = entries("sources")
        if data.source in installed:
            installed[data.source].load()
        elif "." in data.source:
            raise UserError(
                f"no function lists the images of {data.source}: write @source({type(data).__name__}) above it"
            )
        else:
            import_module(f"{__name__}.{_MODULES.get(data.source, data.source)}")
    return _SOURCES[type(data)]


def scan_persons(config: TrainingConfig, progress: bool = True) -> Manifest:
    """List the images of a configuration, open each once and return the manifest.

    The same files, and pictures of the same cells, make subjects one person.

    Raises:
        UserError: The folder is missing or empty, does not have the source's layout, a class has no image, the positive
            class is not said, or an image is broken.
    """
    same_cells = SameCells.of_key(config.same_cells, config.data.source)
    listing = list_configured(config, progress)
    return link_subjects(scan_listing(listing, config.data.on_broken, Path(config.cache_dir), progress), same_cells)


def list_configured(config: TrainingConfig, progress: bool = True) -> Manifest:
    """List the images of a configuration without opening them; errors are those of `scan_persons`."""
    place = (config.data_dir, Path(config.cache_dir), progress)
    return list_source(config.data, SourceContext(*place, config.follow_links, config.alike_names))


def list_source(data: SourceConfig, context: SourceContext) -> Manifest:
    """List the images of a source, with notes of what lies beside them and of names that may mean the same."""
    listing = find_source(data)(data, context)
    if not isinstance(listing, Manifest):
        raise UserError(f"data.source={data.source}: its function returned {type(listing).__name__}, not a Manifest")
    notes = (*listing.notes, *_beside(listing, context), *describe_unknown(listing.frame["subject"].dropna()))
    if context.alike_names == "report":
        subjects = spellings(listing.frame["subject"].dropna())
        listing = replace(listing, alike_subjects=tuple(subjects))
        notes += tuple(describe_spellings(listing.frame))
    return replace(listing, notes=notes, synthetic=listing.synthetic or listing.is_marked())


def _beside(listing: Manifest, context: SourceContext) -> list[str]:
    """Return the line that counts what lies in the data folder and is not used; none where there is nothing."""
    # A table says itself what is used, and of what was written into the cache nothing is left out.
    in_cache = listing.root.is_relative_to(context.cache_dir)
    written = in_cache and not listing.root.is_relative_to(context.cache_dir / UNPACKED)
    if context.data_dir is None or listing.source == "table" or written:
        return []
    from datamodules.io.folder_content import describe_others, scan_folder  # here: drawn images lie beside no others

    content = scan_folder(listing.root, context.follow_links)
    others = content.others
    others["image that is not used"] += len(set(content.images).difference(listing.frame["path"]))
    if not +others:
        return []
    return [f"beside {counted(len(listing.frame), 'image')}: {describe_others(+others)}"]
