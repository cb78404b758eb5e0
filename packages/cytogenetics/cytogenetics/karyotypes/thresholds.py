"""Thresholds of the referral of whole cells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CellThresholds:
    """Above what a cell is referred to an expert: chosen on validation cells, and kept with a model; None: by nothing.

    ``expected_wrong`` and ``doubtful`` are numbers of its chromosomes, see ``CellKaryotype``; ``distance`` is the mean
    of ``CellResult.distances``; ``note`` says what limits their use. Defaults hold where few validation cells choose.
    Below ``alone`` a cell is referred, too: see ``CellKaryotype.least_alone``.
    """

    expected_wrong: float = 0.5
    doubtful: float | None = None
    distance: float | None = None
    note: str | None = None
    alone: float | None = None
