"""One data module per data set: its source, and the defaults that the experiments on it share.

All take the arguments of `ImageDataModule`: ``CNMCDataModule(data_dir="C-NMC.zip", size=96, batch_size=16)``.
"""

from datamodules.image_datamodule import ImageDataModule


class CNMCDataModule(ImageDataModule):
    """C-NMC 2019: leukaemic blasts and normal cells, by the challenge's own folds."""

    default_source = "cnmc"


class HemAllDataModule(ImageDataModule):
    """C-NMC 2019 as paper 003 uses it: the classes evened out by turned copies."""

    default_source = "hem_all"
    default_layers = ("experiment/hem_all_cnn_64",)


class ChromosomeDataModule(ImageDataModule):
    """Single chromosomes in 24 classes: upright, on a small canvas in the scale of their cell."""

    default_source = "chromosomes"
    default_layers = ("task/chromosomes", "experiment/chromosomes_best")


class KaryogramDataModule(ImageDataModule):
    """Pictures of whole karyograms in the folders normal and abnormal (paper 001)."""

    default_source = "karyograms"
    default_layers = ("task/karyograms",)


class ComposedKaryogramDataModule(KaryogramDataModule):
    """Karyograms composed of the single chromosomes of cells, with derived abnormalities whose place is known."""

    default_source = "composed_karyograms"


class MNISTDataModule(ImageDataModule):
    """MNIST: the official test images are the test part."""

    default_source = "mnist"
    default_layers = ("experiment/alexnet_mnist",)


class CIFAR10DataModule(ImageDataModule):
    """CIFAR-10: the official test images are the test part."""

    default_source = "cifar10"
    default_layers = ("experiment/alexnet_cifar10",)


class FolderDataModule(ImageDataModule):
    """Images of your own: one folder per class; two classes need ``positive_class``."""

    default_source = "folder"


class TableDataModule(ImageDataModule):
    """Images of your own by a CSV file with a row per image; two classes need ``positive_class``."""

    default_source = "table"


class SyntheticCellsDataModule(ImageDataModule):
    """Drawn blood cells, for trying things out without data."""

    default_source = "synthetic"
