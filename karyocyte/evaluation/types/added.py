"""The results of sections that installed packages add."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from karyocyte.common.installed import entries
from karyocyte.evaluation.types.result import EvaluationResult, Interval, Matrix
from karyocyte.evaluation.types.table import Named, Table


@dataclass(frozen=True)
class Shown:
    """What such results add to tables and pages."""

    tables: list[Table] = field(default_factory=list)
    # what a reader sees first on pages, and in a line where the name has a short form
    figures: dict[Named, Interval] = field(default_factory=dict)
    confusions: dict[Named, Matrix] = field(default_factory=dict)  # of the test images, predicted in another way


@dataclass(frozen=True)
class AddedResult:
    """What an entry point of ``karyocyte.results`` names, by the key of the value in ``metrics.json``."""

    read: Callable[[dict[str, Any]], dict[str, Any]]  # the value from JSON; both below the key, which errors name
    show: Callable[[EvaluationResult, Shown], None]  # adds to what is shown of a result that has the value


def shown(result: EvaluationResult) -> Shown:
    """Return what all packages add that the result has a value of; no other is loaded."""
    everything = Shown()
    for key, entry in entries("results").items():
        if key in result.more:
            entry.load().show(result, everything)
    return everything
