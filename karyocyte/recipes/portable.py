"""What an installed package adds to portable models: the contracts of two kinds of entry points."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from karyocyte.common.installed import entries
from karyocyte.inference.models import RunsModel
from karyocyte.runs.portable import ADDED, ClassifierDescription, kind_of
from karyocyte.runs.run import Run

KINDS = "kinds"  # the entry points of portable networks that are no classifiers


@dataclass(frozen=True)
class AddedFacts:
    """Facts beside those of every classifier: an entry point of the group ``karyocyte.portable``, a key of model.json.

    ``describe`` returns what model.json says (None: nothing of this model), ``limits`` lines of the model card;
    ``command`` uses such a model: it has "{model}" in it.
    """

    describe: Callable[[RunsModel], Any]
    limits: Callable[[ClassifierDescription], list[str]]
    command: tuple[str, str]  # what it does, and the command


@dataclass(frozen=True)
class PortableKind:
    """How a network that is no classifier becomes a portable model: an entry point of the group ``karyocyte.kinds``.

    ``export`` takes the run, the new folder, the licence of the weights, whether these have 16 bits, and the file of
    notes. ``use`` is the command that uses such a network: it has "{folder}" in it.
    """

    export: Callable[[Path, Path, str | None, bool, Path | None], None]
    use: str


def added_facts(model: ClassifierDescription) -> list[AddedFacts]:
    """Return what packages added to the description of a model."""
    return [entry.load() for name, entry in entries(ADDED).items() if name in model.more]


def portable_kind(folder: Path) -> tuple[str, PortableKind] | None:
    """Return the kind of the network in a folder, a run or a portable model, where a package exports it."""
    kind = kind_of(folder) or Run(folder).raw_config.get("recipe")
    return (kind, entries(KINDS)[kind].load()) if kind in entries(KINDS) else None
