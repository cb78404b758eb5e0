"""The settings of the sources of images: those that the project has, and how one of a user's own is found."""

from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from karyocyte.common.errors import UserError, close_names, first_line
from karyocyte.common.installed import entries
from karyocyte.config.base import FROM_YAML, Seed, Share, StrictModel

MOST_IMAGES = 1_000_000  # a mistyped number would fill the disk


class PaperSplit(StrictModel):
    """What a paper did: random parts of the images, unstratified; the test part takes the rest.

    ``rounding``: ``down`` of the training and validation parts; ``up`` of the test part of all images, then of the
    validation part of the rest, as by scikit-learn's ``train_test_split`` used twice.
    """

    train: Share
    validation: Share
    rounding: Literal["down", "up"] = "down"

    @model_validator(mode="after")
    def _leaves_a_test_part(self) -> "PaperSplit":
        if self.train + self.validation >= 1.0:
            raise ValueError("train + validation must stay below 1: the rest is the test part")
        return self


class AugmentedConfig(StrictModel):
    """Under protocol=paper: how many images an original becomes before the split, itself among them."""

    normal: Annotated[float, Field(ge=1.0)]
    abnormal: Annotated[float, Field(ge=1.0)]


class SourceConfig(StrictModel):
    """Keys that every source of images has; a source adds its own.

    ``source`` is a name in `SOURCES` or of an installed one, or the path of the class of the settings of a user's own.
    """

    drawn: ClassVar[bool] = False  # whether its images are drawn by a program, and none is read
    recipes: ClassVar[tuple[str, ...]] = ("classifier",)  # the kinds of networks that take its images

    source: str
    positive_class: str | None = None
    on_broken: Literal["stop", "skip"] = FROM_YAML
    paper_split: PaperSplit | None = None


class CnmcConfig(SourceConfig, defaults="data/cnmc"):
    """C-NMC 2019 in the challenge's own folders."""

    parts: tuple[Literal["training", "prelim"], ...] = FROM_YAML


class HemAllConfig(CnmcConfig, defaults="data/hem_all"):
    """C-NMC 2019 as paper 003 uses it: ALL subsampled, turned copies; that comes later, and depends on the protocol."""

    images: Annotated[int, Field(ge=1, le=MOST_IMAGES)] | None = FROM_YAML


class NamedImagesConfig(SourceConfig):
    """Images whose file names may tell the subject."""

    subject_regex: str | None = FROM_YAML


class FolderConfig(NamedImagesConfig, defaults="data/folder"):
    """One sub-folder per class."""

    classes: tuple[str, ...] | None = FROM_YAML


class AugmentedKaryogramsConfig(SourceConfig):
    """Whole karyograms, which the protocol ``paper`` augments before it splits them."""

    augmented: AugmentedConfig = FROM_YAML


class KaryogramsConfig(AugmentedKaryogramsConfig, NamedImagesConfig, defaults="data/karyograms"):
    """Whole karyograms in two folders, normal and abnormal."""


class ListedImagesConfig(SourceConfig):
    """Images that a CSV file lists, one row per image."""

    file: str | None = FROM_YAML
    path_column: str = FROM_YAML
    label_column: str = FROM_YAML
    subject_column: str | None = FROM_YAML


class TableConfig(ListedImagesConfig, defaults="data/table"):
    """A CSV file of images of any kind."""

    part_column: str | None = FROM_YAML
    group_column: str | None = FROM_YAML


class DownloadedConfig(SourceConfig):
    """Images that torchvision can download."""

    download: bool = FROM_YAML


class MnistConfig(DownloadedConfig, defaults="data/mnist"):
    """MNIST: torchvision's IDX files."""


class Cifar10Config(DownloadedConfig, defaults="data/cifar10"):
    """CIFAR-10: torchvision's batches, or a tree of JPEG files."""


class DrawnConfig(SourceConfig):
    """Images that a program draws."""

    drawn = True

    seed: Seed = FROM_YAML


class SyntheticConfig(DrawnConfig, defaults="data/synthetic"):
    """Synthetic blood cells."""

    images: Annotated[int, Field(ge=4, le=MOST_IMAGES)] = FROM_YAML
    subjects: Annotated[int, Field(ge=2)] = FROM_YAML
    size: Annotated[int, Field(ge=32)] = FROM_YAML

    former = {"ambiguous": 0.15}


class ChromosomeTableConfig(ListedImagesConfig):
    """The table of single chromosomes."""

    cell_column: str | None = FROM_YAML


class ChromosomesConfig(ChromosomeTableConfig, defaults="data/chromosomes"):
    """Single chromosomes in 24 classes, by a table or, with ``file: null``, by class folders."""

    source: Literal["chromosomes"]
    cell_regex: str | None = FROM_YAML


SOURCES: dict[str, type[SourceConfig]] = {
    "cnmc": CnmcConfig,
    "hem_all": HemAllConfig,
    "folder": FolderConfig,
    "table": TableConfig,
    "karyograms": KaryogramsConfig,
    "chromosomes": ChromosomesConfig,
    "mnist": MnistConfig,
    "cifar10": Cifar10Config,
    "synthetic": SyntheticConfig,
}


def _validate_source(values: Any) -> SourceConfig:
    if isinstance(values, SourceConfig):
        return values
    return settings_of(str(values.get("source"))).model_validate(values)


def settings_of(source: str) -> type[SourceConfig]:
    """Return the class of the settings of a source; a ``UserError`` names the sources that there are."""
    if source in SOURCES:
        return SOURCES[source]
    installed = entries("data")
    if source in installed:
        settings: type[SourceConfig] = installed[source].load()
        return settings
    if "." in source and all(map(str.isidentifier, source.split("."))):
        return _own_settings(source)
    known = ", ".join([*SOURCES, *installed])
    raise UserError(f"data.source={source!r} is none of {known}, and no path of the settings of your own")


def _own_settings(path: str) -> type[SourceConfig]:
    """Import the class of the settings of a source of a user's own; its module has the source, too."""
    name, _, class_name = path.rpartition(".")
    try:
        module = import_module(name)
    except Exception as error:  # whatever a user's module raises
        raise UserError(f"data.source={path} cannot be imported: {first_line(error)}") from error
    settings = getattr(module, class_name, None)
    if isinstance(settings, type) and issubclass(settings, SourceConfig):
        return settings
    classes = [each for each, value in vars(module).items() if SourceConfig in getattr(value, "__mro__", ())[1:]]
    near = close_names(class_name, classes) if classes else f"{name} has no such class"
    raise UserError(f"data.source={path} is no class below SourceConfig; {near}")


DataConfig = Annotated[SerializeAsAny[SourceConfig], BeforeValidator(_validate_source)]
