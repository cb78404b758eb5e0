"""A portable model: its folder, which never holds a pickle, and what is known of its networks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from karyocyte.common.checksums import Checksums
from karyocyte.common.errors import UserError, first_fault
from karyocyte.common.files import read_whole_json, write_json
from karyocyte.common.installed import entries
from karyocyte.config.data import PrepareConfig
from karyocyte.config.overrides import PATH_KEYS
from karyocyte.config.schema import InferenceConfig
from karyocyte.runs.files import PortableFile
from karyocyte.runs.run import Run

FORMAT = 2
# What ends the names of the files of a member.
WEIGHTS = ".safetensors"
DISTANCES = ".out_of_distribution.safetensors"
REMEDY = "export it again with scripts/export.py; a model of this repository is restored by git checkout models"
ADDED = "portable"  # the entry points of what packages add, see `karyocyte.recipes.portable`


@dataclass(frozen=True, kw_only=True)
class BackboneFacts:
    """The backbone that weights are loaded into, and the images that it takes."""

    name: str  # timm's name of the backbone, or that of a network of the papers
    args: dict[str, Any]  # its further arguments
    cut: str | None  # the module that it ends with; None for the whole network
    mean: tuple[float, ...]  # of the channels, shape (3,), which images in [0, 1] are normalised with
    std: tuple[float, ...]  # their standard deviations, shape (3,)


@dataclass(frozen=True, kw_only=True)
class NetworkFacts(BackboneFacts):
    """What the weights of a member of a classifier are loaded into."""

    head: tuple[str | dict[str, Any], ...]  # the layers of the head, as ``head.layers`` of conf/train.yaml
    logits: int  # outputs of the head: per orientation one per class, or one for two classes
    orientation: bool  # whether it has two outputs per class, upright and upside down


@dataclass(frozen=True)
class TrainingFacts:
    """How a member was trained; None where its run does not say."""

    name: str
    protocol: str
    fold: int | None
    folds: int | None
    seed: int
    start: str  # the weights that the training began with: a tag of timm, the name of a file, or "random"
    init_from: bool  # whether it went on from another run
    source: str | None
    synthetic: bool
    data_sha256: str | None  # of the images, their labels and the version of the preparation
    images_seen: int | None
    leaks: Mapping[str, int | None] | None
    revisions: tuple[str, ...]  # of the code, oldest first
    command: str | None = None  # that trained it, without the places of files


@dataclass(frozen=True)
class Parity:
    """The largest difference of a probability from the run's own network in torch, over so many prepared images.

    ``tolerance`` is the most that is allowed.
    """

    images: int
    weights: float
    tolerance: float


@dataclass(frozen=True)
class PortableMember:
    """One network of a portable model.

    ``out_of_distribution`` is the share of validation images that would be marked; None where no image is.
    """

    network: NetworkFacts
    prepare: PrepareConfig
    inference: InferenceConfig
    training: TrainingFacts
    parity: Parity
    out_of_distribution: float | None = None


@dataclass(frozen=True, kw_only=True)
class Licence:
    """The licence of the code, and that of the weights; None where nobody has stated it."""

    code: str = "Apache-2.0"
    weights: str | None


@dataclass(frozen=True, kw_only=True)
class PortableDescription:
    """What the model.json of every portable model says."""

    kind: str
    licence: Licence
    revision: str  # of the code that made it
    data_notes: str = ""  # what is to be said of the data, as Markdown
    format: int = field(default=FORMAT)


Description = TypeVar("Description", bound="PortableDescription")


@dataclass(frozen=True, kw_only=True)
class ClassifierDescription(PortableDescription):
    """The content of the model.json of a classifier or of an ensemble of classifiers."""

    kind: Literal["classifier"] = "classifier"
    name: str  # of the run or the ensemble
    classes: tuple[str, ...]  # in the order of the probabilities
    positive_class: str | None  # none where there are more than two classes
    members: Annotated[tuple[PortableMember, ...], Field(min_length=1)]  # one network, or those of an ensemble
    combiner: dict[str, Any] | None  # ``Combiner.as_dict()`` of an ensemble; None: the mean of the members
    # the fields of ``ReviewThresholds``: thresholds, temperature and referral rules of validation
    thresholds: dict[str, Any]
    # ``confidence`` of the intervals, facts and ``figures`` of the ``test`` images, and ``warnings``: as metrics.json
    # has them; empty where the run was not evaluated
    evaluation: dict[str, Any]
    prepare_version: int  # of the code that prepares the images
    versions: dict[str, str]  # of the packages that made the folder
    notes: tuple[str, ...] = ()  # what differs from the run
    # what installed packages say of the model, by the name of their entry point; in model.json beside the other keys
    more: dict[str, Any] = field(default_factory=dict)


def kind_of(folder: Path) -> str | None:
    """Return the kind of the portable model in a folder, such as "classifier"; None where there is none."""
    return read_whole_json(Path(folder) / PortableFile.MODEL).get("kind")


@dataclass(frozen=True)
class PortableFolder:
    """The files of a portable model; a ``UserError`` names what is missing or damaged."""

    folder: Path

    @staticmethod
    def is_portable(folder: Path) -> bool:
        """Tell whether a folder holds a portable classifier."""
        return kind_of(folder) == "classifier"

    @cached_property
    def checksums(self) -> Checksums:
        """The list of its files."""
        return Checksums(self.folder, PortableFile.MODEL, REMEDY)

    def file(self, member: int, suffix: str) -> Path:
        """Return the path of a member's WEIGHTS or DISTANCES, whether it exists or not."""
        return self.folder / f"member{member + 1}{suffix}"

    def checked(self, path: Path) -> Path:
        """Return the path of a file of the folder, whose content is what was exported; it must be there."""
        self.checksums.checked(path.name)
        if not path.is_file():
            raise UserError(f"{path} is missing: {REMEDY}")
        return path


def read_description(folder: Path, kind: type[Description]) -> Description:
    """Return the description of a portable model, of the class of its kind.

    Raises:
        UserError: model.json is of another format, or does not hold what such a model needs.
    """
    path = PortableFolder(folder).checksums.checked(PortableFile.MODEL)
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("format") != FORMAT:
        raise UserError(f"{path} has format {content.get('format')}, this code reads {FORMAT}: {REMEDY}")
    if issubclass(kind, ClassifierDescription):
        content = content | {"more": {name: content[name] for name in entries(ADDED) if content.get(name)}}
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}: {REMEDY}") from error


def write_description(folder: Path, description: PortableDescription) -> None:
    """Write model.json, and record it with the weights and distances that are there already."""
    content = TypeAdapter(type(description)).dump_python(description, mode="json")
    write_json(folder / PortableFile.MODEL, content | content.pop("more", {}))
    PortableFolder(folder).checksums.write(path.name for path in folder.iterdir())


def training_command(run: Run) -> str | None:
    """Return the command that trained a run, without the places of files; None where it is unknown."""
    script, *words = run.environment.get("command") or [""]
    kept = []
    for word in words:
        key, _, value = word.partition("=")
        if key in ("output_dir", "cache_dir", "weights_dir"):
            continue
        kept.append(f"{key}=<{key}>" if "/" in value and key in PATH_KEYS else word)
    return " ".join(["python train.py", *kept]) if Path(script).name == "train.py" else None
