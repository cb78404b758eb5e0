"""One data module per data set: its signature says how the images are prepared, split and balanced.

The defaults are those of ``python train.py data=<name>``, which conf/data/ and conf/task/ explain. Further arguments
(``others``) are all keys of the data set's file in conf/data/, those of the sections ``split``, ``loader`` and
``prepare`` of conf/train.yaml, and its other keys, such as ``seed`` and ``cache_dir``; values of None are left out.
Images of other sources, such as synthetic ones, are an `ImageDataModule`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from datamodules.image_datamodule import ImageDataModule

Protocol = Literal["subject", "image", "paper"]
Balance = Literal["none", "paper", "hem_all", "weighted_sampling"]


class CNMCDataModule(ImageDataModule):
    """C-NMC 2019, leukaemic and normal white blood cells, by the challenge's own folds (paper 004).

    ``CNMCDataModule("C-NMC.zip", clahe=True)``: cells are cropped, and turned copies make the classes equal.

    Args:
        data_dir: The folder or zip file; None: KARYOCYTE_DATA_DIR.
        size: Side of the images in pixels.
        crop: Whether images are cropped to the cell.
        clahe: Whether the luminance is equalised (CLAHE).
        balance: How the classes of the train part are evened out.
        transform: The name of a file of conf/transform/: random transforms of training images.
        protocol: No subject in two parts, a split of images, or the paper's random 60/20/20 with its leaks.
        fold: The test fold, of three; under ``paper`` the number of the random draw.
        batch_size: Images per batch.
        others: See the top of this file.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        size: int = 224,
        crop: bool = True,
        clahe: bool = False,
        balance: Balance = "paper",
        transform: str = "paper",
        protocol: Protocol = "subject",
        fold: int = 0,
        batch_size: int = 32,
        **others: Any,
    ) -> None:
        sampling: dict[str, Any] = {"balance": balance, "transform": transform, "protocol": protocol, "fold": fold}
        images: dict[str, Any] = {
            "data_dir": data_dir,
            "size": size,
            "crop": crop,
            "clahe": clahe,
            "batch_size": batch_size,
        }
        super().__init__("cnmc", **images, **sampling, **others)


class HemAllDataModule(ImageDataModule):
    """C-NMC 2019 as paper 003 uses it: not cropped, a copy of each HEM image turned by 90 degrees, ALL subsampled.

    Arguments are those of `CNMCDataModule`, and ``images``, the number of all images under ``protocol="paper"``, which
    turns and subsamples before its split of 80/20; the other protocols do so in the train part.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        size: int = 224,
        crop: bool = False,
        balance: Balance = "hem_all",
        transform: str = "hem_all",
        protocol: Protocol = "subject",
        fold: int = 0,
        images: int = 13833,
        batch_size: int = 32,
        **others: Any,
    ) -> None:
        sampling: dict[str, Any] = {
            "balance": balance,
            "transform": transform,
            "protocol": protocol,
            "fold": fold,
            "images": images,
        }
        shown: dict[str, Any] = {"data_dir": data_dir, "size": size, "crop": crop, "batch_size": batch_size}
        super().__init__("hem_all", **shown, **sampling, **others)


class ChromosomeDataModule(ImageDataModule):
    """Single chromosomes in 24 classes, no case in two parts; the ground becomes black, the chromosome is cropped.

    Arguments are those of `CNMCDataModule`, and:

    Args:
        file: The table of the images, below ``data_dir``; for one folder per class ``data={"file": None}``.
        background: ``detect``: dark chromosomes on light ground are inverted.
        fit: ``square``, ``stretch`` (paper 002), ``frame``, or ``canvas``, which keeps the scale.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        file: str = "labels.csv",
        size: int | tuple[int, int] = 224,
        background: Literal["black", "detect", "border"] = "detect",
        fit: Literal["square", "frame", "stretch", "canvas"] = "square",
        crop: bool = True,
        transform: str = "none",
        protocol: Protocol = "subject",
        fold: int = 0,
        batch_size: int = 32,
        **others: Any,
    ) -> None:
        prepare: dict[str, Any] = {"size": size, "background": background, "fit": fit, "crop": crop}
        sampling: dict[str, Any] = {
            "transform": transform,
            "protocol": protocol,
            "fold": fold,
            "batch_size": batch_size,
        }
        super().__init__("chromosomes", data_dir=data_dir, file=file, **prepare, **sampling, **others)


class KaryogramDataModule(ImageDataModule):
    """Pictures of whole karyograms in the folders normal and abnormal, stretched to a square (paper 001).

    Arguments are those of `CNMCDataModule`, and ``augment_at``, the side at which images are transformed before they
    are resized to ``size``. Under ``protocol="paper"`` copies are made before the split.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        size: int = 150,
        augment_at: int = 416,
        crop: bool = False,
        transform: str = "karyograms",
        protocol: Protocol = "subject",
        fold: int = 0,
        batch_size: int = 32,
        **others: Any,
    ) -> None:
        images: dict[str, Any] = {
            "data_dir": data_dir,
            "size": size,
            "augment_at": augment_at,
            "crop": crop,
            "batch_size": batch_size,
        }
        sampling: dict[str, Any] = {"transform": transform, "protocol": protocol, "fold": fold}
        super().__init__("karyograms", **images, **sampling, **others)


class PublishedDataModule(ImageDataModule):
    """The official test images are the test part, a tenth of the others validates; nothing is cropped (paper 002).

    Arguments are those of `CNMCDataModule`, and ``download``, by which torchvision fetches missing files into
    ``data_dir``; the paper's pooled 90/5/5 is ``protocol="paper", test="fold"``.
    """

    source: str

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        download: bool = False,
        size: int = 224,
        crop: bool = False,
        protocol: Protocol = "image",
        test: str = "test",
        validation: float = 0.1,
        batch_size: int = 32,
        **others: Any,
    ) -> None:
        images: dict[str, Any] = {
            "data_dir": data_dir,
            "download": download,
            "size": size,
            "crop": crop,
            "batch_size": batch_size,
        }
        super().__init__(self.source, **images, protocol=protocol, test=test, validation=validation, **others)


class MNISTDataModule(PublishedDataModule):
    """MNIST, handwritten digits in ten classes; rules and arguments: `PublishedDataModule`."""

    source = "mnist"


class CIFAR10DataModule(PublishedDataModule):
    """CIFAR-10, small photographs in ten classes; rules and arguments: `PublishedDataModule`."""

    source = "cifar10"


class FolderDataModule(ImageDataModule):
    """Images of your own: one folder per class.

    ``FolderDataModule("cells", positive_class="blast", subject_regex="^(?P<subject>[^_]+)_")``. Arguments are those of
    `CNMCDataModule`, and:

    Args:
        positive_class: Of two classes the one that is looked for; it must be said.
        subject_regex: Finds the subject in a file's name; None: subjects are not known.
        classes: The folders to use; None: all.
        protocol: None: ``subject`` where subjects are known, else ``image``.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        positive_class: str | None = None,
        subject_regex: str | None = None,
        classes: Sequence[str] | None = None,
        size: int = 224,
        crop: bool = True,
        transform: str = "none",
        protocol: Protocol | None = None,
        fold: int = 0,
        batch_size: int = 32,
        **others: Any,
    ) -> None:
        images: dict[str, Any] = {
            "data_dir": data_dir,
            "size": size,
            "crop": crop,
            "transform": transform,
            "batch_size": batch_size,
        }
        named: dict[str, Any] = {"positive_class": positive_class, "subject_regex": subject_regex, "classes": classes}
        super().__init__("folder", **images, **named, protocol=protocol, fold=fold, **others)


class TableDataModule(ImageDataModule):
    """Images of your own by a CSV file with a row per image.

    Arguments are those of `FolderDataModule`, but for ``subject_regex`` and ``classes``, and:

    Args:
        file: The table, below ``data_dir``; the paths in it are relative to it.
        path_column: Its column with the path of an image.
        label_column: Its column with the class.
        subject_column: Its column with the subject; None: not known.
        part_column: Its column with given parts, such as train, val and test; None: none.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        file: str = "labels.csv",
        path_column: str = "path",
        label_column: str = "label",
        subject_column: str | None = None,
        part_column: str | None = None,
        positive_class: str | None = None,
        size: int = 224,
        crop: bool = True,
        transform: str = "none",
        protocol: Protocol | None = None,
        fold: int = 0,
        batch_size: int = 32,
        **others: Any,
    ) -> None:
        images: dict[str, Any] = {
            "data_dir": data_dir,
            "size": size,
            "crop": crop,
            "transform": transform,
            "batch_size": batch_size,
        }
        columns: dict[str, Any] = {
            "path_column": path_column,
            "label_column": label_column,
            "subject_column": subject_column,
        }
        named: dict[str, Any] = {"file": file, "part_column": part_column, "positive_class": positive_class}
        super().__init__("table", **images, **columns, **named, protocol=protocol, fold=fold, **others)
