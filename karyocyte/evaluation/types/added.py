"""How the results of sections that installed packages add are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from karyocyte.evaluation.types.result import EvaluationResult, Interval, Matrix, added_entries
from karyocyte.evaluation.types.table import Named, Table


@dataclass(frozen=True)
class Shown:
    """What a section adds to tables, pages and results.csv."""

    table: Table | None = None
    # what a reader sees first on pages, and in a line where the name has a short form
    figures: Mapping[Named, Interval] = field(default_factory=dict)
    confusions: Mapping[Named, Matrix] = field(default_factory=dict)  # of the test images, predicted in another way
    # rows of results.csv: after the test metrics, with their means over folds, and after the baselines
    metrics: Mapping[str, Interval] = field(default_factory=dict)
    fold_means: Mapping[str, Interval] = field(default_factory=dict)
    details: Mapping[str, Interval] = field(default_factory=dict)


def shown(result: EvaluationResult) -> list[Shown]:
    """Ask each section that the result has a value of; no other is loaded."""
    return [entry.load().show(result) for key, entry in added_entries().items() if key in result.more]


def added_tables(result: EvaluationResult) -> list[Table]:
    """Return the tables of the sections."""
    return [each.table for each in shown(result) if each.table]


def added_confusions(result: EvaluationResult) -> dict[Named, Matrix]:
    """Return the confusion matrices of the sections."""
    confusions: dict[Named, Matrix] = {}
    for each in shown(result):
        confusions |= each.confusions
    return confusions
