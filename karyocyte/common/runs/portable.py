"""What is known of a portable model: its networks, their training and evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from karyocyte.common.config.data import PrepareConfig
from karyocyte.common.config.overrides import PATH_KEYS
from karyocyte.common.config.schema import InferenceConfig
from karyocyte.common.errors import UserError, first_fault
from karyocyte.common.files import read_whole_json, write_json
from karyocyte.common.karyotype import CellThresholds
from karyocyte.common.paths import ROOT
from karyocyte.common.runs.files import PortableFile
from karyocyte.common.runs.portable_folder import FORMAT, KIND, REMEDY, NetworkFacts, PortableFolder
from karyocyte.common.runs.run import Run

TOLERANCE = 1e-4  # of a probability
BUILT_IN = ROOT / "models" / "chromosomes"  # what names karyotypes where no model is named
BUILT_IN_DETECTOR = ROOT / "models" / "metaphases"  # and what finds chromosomes in pictures
DETECTOR_KIND = "karyocyte portable detector"
DETECTOR_FACTS = "detector.json"  # in the run of a detector: its calibration and evaluation
CODE_LICENCE = "Apache-2.0"


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

    ``onnx`` is None without a graph, ``tolerance`` the most that is allowed of ``weights``.
    """

    images: int
    onnx: float | None
    weights: float
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class PortableMember:
    """One network of a portable model.

    ``sha256`` is that of its files by their suffix, ``out_of_distribution`` the share of validation images that would
    be marked; None where no image is.
    """

    network: NetworkFacts
    prepare: PrepareConfig
    inference: InferenceConfig
    training: TrainingFacts
    parity: Parity
    sha256: dict[str, str]
    out_of_distribution: float | None = None


@dataclass(frozen=True)
class Licence:
    """The licence of the code, and that of the weights; None where nobody has stated it."""

    code: str
    weights: str | None


@dataclass(frozen=True)
class CellFacts:
    """What the karyotypes of cells are named with, beside the probabilities of chromosomes."""

    # of each member, which its log-probabilities are divided by before they are combined
    temperatures: tuple[float, ...]
    combined: float  # the temperature of what they are combined to
    balanced: bool  # whether the members have learned equal shares of the classes
    notes: tuple[str, ...]  # what limits the temperatures
    thresholds: CellThresholds  # above what a cell is referred


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """The content of the model.json of a portable model."""

    name: str  # of the run or the ensemble
    classes: tuple[str, ...]  # in the order of the probabilities
    positive_class: str | None  # none where there are more than two classes
    members: Annotated[tuple[PortableMember, ...], Field(min_length=1)]  # one network, or those of an ensemble
    combiner: dict[str, Any] | None  # ``Combiner.as_dict()`` of an ensemble; None: the mean of the members
    # the fields of ``ReviewThresholds``: thresholds, temperature and referral rules of validation
    thresholds: dict[str, Any]
    # ``confidence`` of the intervals, the metrics of the ``test`` images, ``calibration`` and ``warnings``, as
    # metrics.json has them; empty where the run was not evaluated
    evaluation: dict[str, Any]
    licence: Licence
    prepare_version: int  # of the code that prepares the images
    opset: int | None  # of the ONNX graphs; None without them
    versions: dict[str, str]  # of the packages that made the folder
    revision: str  # of the code that made it
    cells: CellFacts | None = None  # of members that name the 24 chromosomes; None of others
    notes: tuple[str, ...] = ()  # what differs from the run
    data_notes: str = ""  # what is to be said of the data, as Markdown
    format: int = field(default=FORMAT)
    kind: str = KIND

    @property
    def runtimes(self) -> tuple[str, ...]:
        """What can compute it, in the order of preference."""
        return ("torch",) if self.opset is None else ("torch", "onnx")


_DESCRIPTION = TypeAdapter(ModelDescription)


class PortableModel(PortableFolder):
    """The folder of a portable model; a ``UserError`` names what is missing or damaged in it."""

    @cached_property
    def description(self) -> ModelDescription:
        """The content of model.json."""
        path = self.folder / PortableFile.MODEL
        try:
            return _DESCRIPTION.validate_python(self.content)
        except ValidationError as error:
            raise UserError(f"{path}: {first_fault(error)}: {REMEDY}") from error

    def write(self, description: ModelDescription) -> None:
        """Write model.json."""
        write_json(self.folder / PortableFile.MODEL, _DESCRIPTION.dump_python(description, mode="json"))


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


def is_detector(folder: Path) -> bool:
    """Tell whether a folder holds an exported detector, or is the evaluated run of one."""
    kind = read_whole_json(folder / PortableFile.MODEL).get("kind")
    return bool(kind == DETECTOR_KIND) or (folder / DETECTOR_FACTS).is_file()
