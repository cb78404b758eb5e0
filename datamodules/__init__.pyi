# What editors and type checkers see of the package, whose names are imported at their first use.
from datamodules.datasets import ChromosomeDataModule as ChromosomeDataModule
from datamodules.datasets import CIFAR10DataModule as CIFAR10DataModule
from datamodules.datasets import CNMCDataModule as CNMCDataModule
from datamodules.datasets import FolderDataModule as FolderDataModule
from datamodules.datasets import HemAllDataModule as HemAllDataModule
from datamodules.datasets import KaryogramDataModule as KaryogramDataModule
from datamodules.datasets import MNISTDataModule as MNISTDataModule
from datamodules.datasets import TableDataModule as TableDataModule
from datamodules.image_datamodule import ImageDataModule as ImageDataModule
