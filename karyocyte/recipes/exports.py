"""What an installed package adds to exports: the contracts of two kinds of entry points."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from karyocyte.common.errors import UserError
from karyocyte.common.installed import entries
from karyocyte.inference.models import RunsModel
from karyocyte.runs.arguments import new_folder
from karyocyte.runs.export import ClassifierExport
from karyocyte.runs.run import Run

ADDED = "portable"  # the entry points of facts that packages add
KINDS = "kinds"  # the entry points of networks that are no classifiers


@dataclass(frozen=True)
class ExportOptions:
    """The options of scripts/export.py, which explains them.

    Raises:
        UserError: The output exists; or the file of notes is missing.
    """

    output: Path
    licence: str | None = None
    data_dir: str | None = None
    half: bool = False
    notes: Path | None = None

    def __post_init__(self) -> None:
        """Check them, before networks and images are imported."""
        new_folder(self.output)
        if self.notes is not None and not self.notes.is_file():
            raise UserError(f"--notes {self.notes} is missing: name a Markdown file on the data and their terms")

    @property
    def data_notes(self) -> str:
        """What is to be said of the data, as Markdown."""
        return self.notes.read_text(encoding="utf-8").strip() if self.notes else ""


@dataclass(frozen=True)
class AddedFacts:
    """Facts beside those of every classifier: an entry point of the group ``karyocyte.portable``, a key of ``more``.

    ``describe`` returns what export.json says (None: nothing of this model), ``limits`` lines of the model card from
    that; ``command`` uses such a model: it has "{model}" in it.
    """

    describe: Callable[[RunsModel], Any]
    limits: Callable[[RunsModel, Any], list[str]]
    command: tuple[str, str]  # what it does, and the command


@dataclass(frozen=True)
class ExportedKind:
    """How a network that is no classifier is exported: an entry point of the group ``karyocyte.kinds``.

    ``export`` takes the folder of the run. ``use`` is the command that uses such a network: it has "{folder}" in it.
    """

    export: Callable[[Path, ExportOptions], None]
    use: str


def added_facts(export: ClassifierExport) -> dict[str, AddedFacts]:
    """Return what packages added to an export, by the keys of ``more``."""
    return {name: entry.load() for name, entry in entries(ADDED).items() if name in export.more}


def exported_kind(folder: Path) -> tuple[str, ExportedKind] | None:
    """Return the kind of the network in a folder, a run or an export, where a package exports it."""
    kind = Run(folder).recipe
    return (kind, entries(KINDS)[kind].load()) if kind in entries(KINDS) else None
