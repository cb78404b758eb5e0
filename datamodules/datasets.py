"""One data module per data set; each has its own defaults, which are in conf/data/ and conf/task/.

All take the arguments of `ImageDataModule`: ``CNMCDataModule(data_dir="C-NMC.zip", size=96, batch_size=16)``.
"""

from datamodules.image_datamodule import ImageDataModule
from karyocyte.common.config.schema import Config
from karyocyte.common.runs.distributed import World


def data_module(config: Config, progress: bool = True, world: World = World()) -> ImageDataModule:  # noqa: B008 (frozen)
    """Return the data module of a run: the class of its data set, and of other sources an `ImageDataModule`."""
    return DATA_MODULES.get(config.data.source, ImageDataModule)(config, progress=progress, world=world)


class CNMCDataModule(ImageDataModule):
    """C-NMC 2019 by the challenge's own folds: cropped cells, classes evened out by turned copies (paper 004)."""

    default_source = "cnmc"


class HemAllDataModule(ImageDataModule):
    """C-NMC 2019 as paper 003 uses it: one turned copy of each HEM image; under ``paper`` before the split."""

    default_source = "hem_all"


class ChromosomeDataModule(ImageDataModule):
    """Single chromosomes in 24 classes, by cases: the ground becomes black, the chromosome is cropped."""

    default_source = "chromosomes"


class KaryogramDataModule(ImageDataModule):
    """Pictures of whole karyograms in the folders normal and abnormal (paper 001)."""

    default_source = "karyograms"


class ComposedKaryogramDataModule(ImageDataModule):
    """Karyograms composed of the single chromosomes of cells, with derived abnormalities."""

    default_source = "composed_karyograms"


class MNISTDataModule(ImageDataModule):
    """MNIST: the official test images are the test part."""

    default_source = "mnist"


class CIFAR10DataModule(ImageDataModule):
    """CIFAR-10: the official test images are the test part."""

    default_source = "cifar10"


class FolderDataModule(ImageDataModule):
    """Images of your own: one folder per class; two classes need ``positive_class``."""

    default_source = "folder"


class TableDataModule(ImageDataModule):
    """Images of your own by a CSV file with a row per image; two classes need ``positive_class``."""

    default_source = "table"


class SyntheticCellsDataModule(ImageDataModule):
    """Synthetic blood cells, for trying things out without data."""

    default_source = "synthetic"


class SyntheticChromosomesDataModule(ImageDataModule):
    """Synthetic chromosomes, for trying things out without data."""

    default_source = "synthetic_chromosomes"


DATA_MODULES = {
    module.default_source: module for module in ImageDataModule.__subclasses__() if module.__module__ == __name__
}
