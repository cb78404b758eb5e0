"""What an export has beside the files of its run: ``export.json``. It never holds a pickle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from karyocyte.common.errors import UserError, typed
from karyocyte.common.files import read_json
from karyocyte.config.overrides import PATH_KEYS
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import EXPORT_AGAIN, Run

FORMAT = 3


@dataclass(frozen=True, kw_only=True)
class Licence:
    """The licence of the code, and that of the weights; None where nobody has stated it."""

    code: str = "Apache-2.0"
    weights: str | None


@dataclass(frozen=True, kw_only=True)
class ExportFacts:
    """What the export.json of every kind of network says."""

    licence: Licence
    revision: str  # of the code that made it
    data_notes: str = ""  # what is to be said of the data, as Markdown
    command: str | None = None  # that trained it, without the places of files; None where it is not known
    format: int = field(default=FORMAT)


@dataclass(frozen=True)
class Parity:
    """The largest difference of a probability from the run's own network in torch, over so many prepared images.

    ``tolerance`` is the most that is allowed.
    """

    images: int
    weights: float
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class ClassifierExport(ExportFacts):
    """The export.json of a classifier, or of an ensemble, whose members are exports in folders of their own."""

    name: str  # of the run or the ensemble
    parity: Parity | None  # None of an ensemble, whose members say it
    data_sha256: str | None  # of the images, their labels and the version of the preparation
    # the fields of ``ReviewThresholds``: thresholds, temperature and referral rules of validation
    thresholds: dict[str, Any]
    # ``confidence`` of the intervals, facts and ``figures`` of the ``test`` images, and ``warnings``: as metrics.json
    # has them; empty where the run was not evaluated
    evaluation: dict[str, Any]
    prepare_version: int  # of the code that prepares the images
    versions: dict[str, str]  # of the packages that made the folder
    notes: tuple[str, ...] = ()  # what differs from the run
    more: Mapping[str, Any] = field(default_factory=dict)  # of installed packages, by the names of their entry points


Export = TypeVar("Export", bound=ExportFacts)


def read_export(folder: Path, kind: type[Export]) -> Export:
    """Return the content of the export.json in a folder.

    Raises:
        UserError: It is missing, damaged or of another format, or does not hold what such an export needs.
    """
    path = Run(folder).checked(RunFile.EXPORT)
    if not path.is_file():
        raise UserError(f"{path} is missing, as in exports of earlier versions: {EXPORT_AGAIN}")
    content = read_json(path)
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise UserError(f"{path} has format {found}, this code reads {FORMAT}: {EXPORT_AGAIN}")
    return typed(kind, content, str(path), EXPORT_AGAIN)


def write_export(folder: Path, facts: ExportFacts) -> None:
    """Write export.json, and record it with the files of the export that are there already."""
    run = Run(folder)
    run.write_json(RunFile.EXPORT, TypeAdapter(type(facts)).dump_python(facts, mode="json"))
    run.record()


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
