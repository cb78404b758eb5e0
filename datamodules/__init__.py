"""Images and where they come from: sources, manifests, splits, preparation, augmentation, loaders."""

from typing import Any

__all__ = [  # noqa: F822 (imported at first use)
    "ImageDataModule",
    "CIFAR10DataModule",
    "CNMCDataModule",
    "ChromosomeDataModule",
    "FolderDataModule",
    "HemAllDataModule",
    "KaryogramDataModule",
    "MNISTDataModule",
    "TableDataModule",
]


def __getattr__(name: str) -> Any:
    """Import a data module at its first use: it needs torch, the package does not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from datamodules import datasets

    return getattr(datasets, name)
