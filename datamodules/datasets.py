"""One data module per data set: its signature says how the images are prepared, split and balanced.

The defaults are those of ``python train.py data=<name>``, which conf/data/ and conf/task/ explain. ``others`` are all
further keys by their names: those of the data set's file in conf/data/, of the sections ``split``, ``loader`` and
``prepare`` of conf/train.yaml, and of the whole, such as ``transform``, ``seed`` and ``cache_dir``. Images of other
sources, such as synthetic ones, are an `ImageDataModule`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from datamodules.image_datamodule import ImageDataModule
from karyocyte.config.sources import ChromosomesConfig

Place = str | Path | None  # a folder or a zip file; None: KARYOCYTE_DATA_DIR
Protocol = Literal["subject", "image", "paper"]
Balance = Literal["none", "paper", "hem_all", "weighted_sampling"]


class CNMCDataModule(ImageDataModule):
    """C-NMC 2019, leukaemic and normal white blood cells, by the challenge's own folds (paper 004).

    ``CNMCDataModule("C-NMC.zip", clahe=True)``: cells are cropped, and turned copies make the classes equal.

    Args:
        data_dir: The folder or zip file; None: KARYOCYTE_DATA_DIR.
        size: Side of the images in pixels.
        crop: Whether images are cropped to the cell.
        clahe: Whether the luminance is equalised (CLAHE), or how: ``{"clip_limit": 3}``.
        balance: How the classes of the train part are evened out.
        protocol: No subject in two parts, a split of images, or the paper's random 60/20/20 with its leaks.
        fold: The test fold, of three; under ``paper`` the number of the random draw.
        batch_size: Images per batch.
        others: See the top of this file.
    """

    def __init__(
        self,
        data_dir: Place = None,
        *,
        size: int = 224,
        crop: bool = True,
        clahe: bool | Mapping[str, float] = False,
        balance: Balance = "paper",
        protocol: Protocol = "subject",
        fold: int = 0,
        batch_size: int = 32,
        **others: Any,
    ) -> None:
        others |= {"data_dir": data_dir, "size": size, "crop": crop, "clahe": clahe, "balance": balance}
        super().__init__("cnmc", protocol=protocol, fold=fold, batch_size=batch_size, **others)


class HemAllDataModule(ImageDataModule):
    """C-NMC 2019 as paper 003 uses it: not cropped, a turned copy of each HEM image, ALL subsampled.

    Under ``protocol="paper"`` this is done before the split of 80/20, to so many ``images`` in all; otherwise in the
    train part. The other arguments are those of `CNMCDataModule`.
    """

    def __init__(
        self,
        data_dir: Place = None,
        *,
        size: int = 224,
        crop: bool = False,
        balance: Balance = "hem_all",
        protocol: Protocol = "subject",
        images: int = 13833,
        **others: Any,
    ) -> None:
        others |= {"data_dir": data_dir, "size": size, "crop": crop, "balance": balance, "images": images}
        super().__init__("hem_all", protocol=protocol, **others)


class ChromosomeDataModule(ImageDataModule):
    """Single chromosomes in 24 classes, no case in two parts, by the table ``file``, or None: in a folder per class.

    ``background="detect"`` inverts dark chromosomes on light ground; ``fit`` is ``square``, ``stretch`` (paper 002),
    or ``canvas``, which keeps the scale. The other arguments are those of `CNMCDataModule`.
    """

    def __init__(
        self,
        data_dir: Place = None,
        *,
        file: str | None = "labels.csv",
        size: int | tuple[int, int] = 224,
        background: Literal["black", "detect", "border"] = "detect",
        fit: Literal["square", "stretch", "canvas"] = "square",
        crop: bool = True,
        protocol: Protocol = "subject",
        **others: Any,
    ) -> None:
        others |= {"data_dir": data_dir, "size": size, "background": background, "fit": fit, "crop": crop}
        source = ChromosomesConfig(source="chromosomes", file=file)
        super().__init__(source, protocol=protocol, **others)


class KaryogramDataModule(ImageDataModule):
    """Whole karyograms in the folders normal and abnormal, transformed at ``augment_at`` pixels (paper 001).

    Under ``protocol="paper"`` copies are made before the split. The other arguments are those of `CNMCDataModule`.
    """

    def __init__(
        self,
        data_dir: Place = None,
        *,
        size: int = 150,
        augment_at: int = 416,
        crop: bool = False,
        protocol: Protocol = "subject",
        **others: Any,
    ) -> None:
        others |= {"data_dir": data_dir, "size": size, "augment_at": augment_at, "crop": crop}
        super().__init__("karyograms", protocol=protocol, **others)


class PublishedDataModule(ImageDataModule):
    """Images with an official test part; a tenth of the others validates, and nothing is cropped (paper 002).

    With ``download`` torchvision fetches what is missing. The paper's pooled 90/5/5 is ``protocol="paper",
    test="fold"``. The other arguments are those of `CNMCDataModule`.
    """

    def __init__(
        self,
        data_dir: Place = None,
        *,
        download: bool = False,
        size: int = 224,
        crop: bool = False,
        protocol: Protocol = "image",
        test: str = "test",
        validation: float = 0.1,
        **others: Any,
    ) -> None:
        others |= {"data_dir": data_dir, "download": download, "size": size, "crop": crop}
        super().__init__(self.default_source, protocol=protocol, test=test, validation=validation, **others)


class MNISTDataModule(PublishedDataModule):
    """MNIST, handwritten digits in ten classes; rules and arguments: `PublishedDataModule`."""

    default_source = "mnist"


class CIFAR10DataModule(PublishedDataModule):
    """CIFAR-10, small photographs in ten classes; rules and arguments: `PublishedDataModule`."""

    default_source = "cifar10"


class FolderDataModule(ImageDataModule):
    """Images of your own: one folder per class; of two classes ``positive_class`` is the one that is looked for.

    ``subject_regex`` finds the subject in a file's name, such as ``^(?P<subject>[^_]+)_``. ``protocol`` None is
    ``subject`` where subjects are known, else ``image``. `CNMCDataModule` has the others; ``batch_size`` is 16.
    """

    def __init__(
        self,
        data_dir: Place = None,
        *,
        positive_class: str | None = None,
        subject_regex: str | None = None,
        size: int = 224,
        crop: bool = True,
        protocol: Protocol | None = None,
        **others: Any,
    ) -> None:
        others |= {"data_dir": data_dir, "positive_class": positive_class, "subject_regex": subject_regex}
        others |= {"size": size, "crop": crop, "protocol": protocol}
        super().__init__("folder", **others)


class TableDataModule(ImageDataModule):
    """Images of your own by the CSV ``file``, a row per image, with columns of paths, classes and maybe subjects.

    The other arguments are those of `FolderDataModule`.
    """

    def __init__(
        self,
        data_dir: Place = None,
        *,
        file: str = "labels.csv",
        path_column: str = "path",
        label_column: str = "label",
        subject_column: str | None = None,
        positive_class: str | None = None,
        size: int = 224,
        crop: bool = True,
        protocol: Protocol | None = None,
        **others: Any,
    ) -> None:
        others |= {"data_dir": data_dir, "file": file, "path_column": path_column, "label_column": label_column}
        others |= {"subject_column": subject_column, "positive_class": positive_class, "size": size, "crop": crop}
        super().__init__("table", protocol=protocol, **others)
