"""Images and where they come from: sources, manifests, splits, preparation, augmentation, loaders."""

from importlib import import_module
from typing import Any

_MODULES = {
    "ImageDataModule": "image_datamodule",
    "CNMCDataModule": "datasets",
    "HemAllDataModule": "datasets",
    "ChromosomeDataModule": "datasets",
    "KaryogramDataModule": "datasets",
    "ComposedKaryogramDataModule": "datasets",
    "MNISTDataModule": "datasets",
    "CIFAR10DataModule": "datasets",
    "FolderDataModule": "datasets",
    "TableDataModule": "datasets",
    "SyntheticCellsDataModule": "datasets",
}
__all__ = list(_MODULES)  # noqa: PLE0604 (names only)


def __getattr__(name: str) -> Any:
    """Import a data module at its first use: it needs torch, the package does not."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
