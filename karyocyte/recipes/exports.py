"""What an installed package adds to exports: the contracts of two kinds of entry points."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from karyocyte.common.installed import entries
from karyocyte.inference.models import RunsModel
from karyocyte.runs.export import ClassifierExport
from karyocyte.runs.run import Run

ADDED = "portable"  # the entry points of facts that packages add
KINDS = "kinds"  # the entry points of networks that are no classifiers


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

    ``export`` takes the run, the new folder, the licence of the weights, whether these have 16 bits, and the file of
    notes. ``use`` is the command that uses such a network: it has "{folder}" in it.
    """

    export: Callable[[Path, Path, str | None, bool, Path | None], None]
    use: str


def added_facts(export: ClassifierExport) -> dict[str, AddedFacts]:
    """Return what packages added to an export, by the keys of ``more``."""
    return {name: entry.load() for name, entry in entries(ADDED).items() if name in export.more}


def exported_kind(folder: Path) -> tuple[str, ExportedKind] | None:
    """Return the kind of the network in a folder, a run or an export, where a package exports it."""
    kind = Run(folder).recipe
    return (kind, entries(KINDS)[kind].load()) if kind in entries(KINDS) else None
