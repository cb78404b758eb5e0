"""Where images come from: one small file per source, each with a function that lists what is on disk."""

from pathlib import Path

from common.schema import CnmcConfig, DataConfig, FolderConfig, SyntheticConfig, TableConfig
from datamodules.manifest import Listing, Manifest
from datamodules.scanning import scan_listing
from datamodules.sources.cnmc import list_cnmc
from datamodules.sources.folder import list_folder
from datamodules.sources.synthetic import list_synthetic
from datamodules.sources.table import list_table


def scan(data: DataConfig, data_dir: str | None, cache_dir: Path, progress: bool = True) -> Manifest:
    """List the images of a source, open each once and return the manifest.

    Args:
        data: The source and its settings.
        data_dir: The folder of the images; the synthetic source needs none.
        cache_dir: Where facts of the files (and the drawn images) are kept between runs.
        progress: Whether a progress bar may be shown.

    Raises:
        UserError: The folder is missing or empty, does not have the source's layout, a class has no image, the positive
            class is not said, or an image is broken.
    """
    return scan_listing(list_images(data, data_dir, Path(cache_dir), progress), data.on_broken, cache_dir, progress)


def list_images(data: DataConfig, data_dir: str | None, cache_dir: Path, progress: bool = True) -> Listing:
    """List the images of a source without opening them; arguments and errors are those of `scan`."""
    match data:
        case CnmcConfig():
            return list_cnmc(data, data_dir)
        case FolderConfig():
            return list_folder(data, data_dir)
        case TableConfig():
            return list_table(data, data_dir)
        case SyntheticConfig():
            return list_synthetic(data, cache_dir, progress)
    raise TypeError(f"no source for {type(data).__name__}")
