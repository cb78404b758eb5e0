"""The review of cells: the output of scripts/karyotype.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflows.cell_bundle import NO_CHROMOSOME, ReviewBundle
from workflows.review.cell_state import shown_cell
from workflows.review.decisions import CLASSES, FILE, CellDecisions
from workflows.review.reviewed import Picture, Reviewed, Source

CHROMOSOME_STRIP = "chromosomes"


class CellReview(Reviewed):
    """The cells of an output folder of scripts/karyotype.py.

    Raises:
        UserError: See ``ReviewBundle``.
    """

    noun = "cell"
    columns = ("case_id", "cell_id")
    no_label = NO_CHROMOSOME
    actions = frozenset({"move", "swap", "turn", "approve", "undo"})

    def __init__(self, output: Path) -> None:
        self.output = output
        self.bundle = ReviewBundle(output)
        self.model = self.bundle.index.model
        self.classes = CLASSES
        self.stems = self.bundle.stems

    @property
    def decisions_file(self) -> Path:
        """In the output folder."""
        return self.output / FILE

    def queue(self, blind: bool) -> list[dict[str, Any]]:
        """Return all cells, most expected errors first."""
        cells = list(self.bundle.index.cells)
        if blind:
            return [{"stem": cell.stem, "title": cell.title} for cell in cells]
        cells.sort(key=lambda cell: -cell.expected_errors)
        return [{"stem": cell.stem, "title": cell.title, "doubt": cell.expected_errors} for cell in cells]

    def shown(self, stem: str, decisions: CellDecisions, blind: bool) -> dict[str, Any]:
        """Return chromosomes, karyotype and counts, solved anew around what the reader has fixed."""
        return shown_cell(self.bundle, stem, decisions, blind)

    def picture(self, stem: str, name: str, blind: bool) -> Picture | None:
        """Return the strip of all chromosomes."""
        if name != CHROMOSOME_STRIP:
            return None
        return Picture(self.bundle.picture(stem).read_bytes(), "image/png")

    def sources(self, stem: str) -> Mapping[str, Source]:
        """Return the chromosomes of a cell, by the name of their file."""
        cell = self.bundle.cell(stem)
        facts = {"case_id": cell.case or "", "cell_id": cell.name}
        return {file.name: Source(Path(file.path), file.assigned, facts) for file in cell.files}
