"""What installed packages show of the figures that their sections add."""

from dataclasses import dataclass, field

from karyocyte.common.installed import entries
from karyocyte.evaluation.types.result import EvaluationResult, Interval, Kind, Matrix
from karyocyte.evaluation.types.table import Named, Table


@dataclass(frozen=True)
class Shown:
    """What such figures add to tables and pages."""

    tables: list[Table] = field(default_factory=list)
    figures: dict[str, Interval] = field(default_factory=dict)  # by their names in words: they end the sentence
    confusions: dict[Named, Matrix] = field(default_factory=dict)  # of the test images, predicted in another way


def shown(result: EvaluationResult) -> Shown:
    """Return what all packages add that the result has figures of; no other is loaded.

    An entry point of ``karyocyte.results`` names a function of the result and of ``Shown``, which it adds to; its own
    name is that of the section, after ``Kind.ADDED``.
    """
    everything = Shown()
    for key, entry in entries("results").items():
        if result.of(f"{Kind.ADDED}{key}"):
            entry.load()(result, everything)
    return everything
