"""Images and where they come from: sources, manifests, splits, preparation, augmentation, loaders."""

from collections.abc import Mapping
from typing import Any

from karyocyte.common.config.data import DataSettings, SourceConfig, register_data_settings

__all__ = [  # noqa: F822 (imported at first use)
    "ImageDataModule",
    "CIFAR10DataModule",
    "CNMCDataModule",
    "ChromosomeDataModule",
    "ComposedKaryogramDataModule",
    "FolderDataModule",
    "HemAllDataModule",
    "KaryogramDataModule",
    "MNISTDataModule",
    "SyntheticCellsDataModule",
    "SyntheticChromosomesDataModule",
    "TableDataModule",
]


def __getattr__(name: str) -> Any:
    """Import a data module at its first use: it needs torch, the package does not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from datamodules import datasets

    return getattr(datasets, name)


def _sources() -> Mapping[str, type[SourceConfig]]:
    from datamodules.sources import sources  # with the libraries of images

    return {name: entry.config for name, entry in sources().items()}


def _source(name: str) -> type[SourceConfig] | None:
    from datamodules.sources import find_source

    source = find_source(name)
    return source.config if source else None


def _strengths() -> Mapping[str, float]:
    from datamodules.transforms.operations import AUGMENTATIONS

    strengths: dict[str, float] = {}
    for operation in AUGMENTATIONS.values():
        strengths |= dict.fromkeys(operation.keys, operation.at_most)
    return strengths


register_data_settings(DataSettings(_sources, _source, _strengths))
