"""Thresholds of the referral of whole cells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CellThresholds:
    """Above what a cell is referred to an expert: chosen on validation cells, and kept with a model; None: by nothing.

    And from which probability of its constitution a case of one cell, of two, ... is ``settled``, the last one for
    more cells, too; empty: never.

    ``expected_wrong`` is a number of its chromosomes, see ``CellKaryotype``; ``distance`` is the mean of
    ``CellResult.distances``; ``note`` says what limits their use. Defaults hold where few validation cells choose.
    """

    expected_wrong: float = 0.5
    distance: float | None = None
    note: str | None = None
    settled: tuple[float, ...] = ()
