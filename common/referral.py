"""Above what a cell is referred to an expert: chosen on validation cells, and kept with a model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CellThresholds:
    """A cell above one of these is referred; None: none is, for this.

    ``expected_wrong`` and ``doubtful`` are numbers of its chromosomes, see ``CellKaryotype``; ``distance`` is the mean
    of ``CellResult.distances``; ``note`` says what limits the first. Defaults hold where few validation cells choose.
    """

    expected_wrong: float = 0.5
    doubtful: float | None = None
    distance: float | None = None
    note: str | None = None
