"""A case as one reader has decided on its cells."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cytogenetics.cells.cases import CaseKaryotype, case_karyotype
from cytogenetics.review.cell_bundle import ReviewBundle
from cytogenetics.review.decisions import CellDecisions, Decision, Decisions
from karyocyte.common.text import counted


@dataclass(frozen=True)
class ReviewedCase:
    """A case with what a reader has decided on all its cells, by their identities."""

    name: str
    reader: str
    states: Mapping[str, CellDecisions]

    @classmethod
    def of(cls, bundle: ReviewBundle, states: Decisions, reader: str, name: str) -> "ReviewedCase":
        """Return a case of a bundle."""
        return cls(name, reader, {stem: states.get((reader, stem), CellDecisions()) for stem in bundle.cases[name]})

    @cached_property
    def approvals(self) -> dict[str, Decision]:
        """The approvals of its cells."""
        approvals = {stem: state.approval for stem, state in self.states.items()}
        return {stem: one for stem, one in approvals.items() if one and one.classes}

    @cached_property
    def named(self) -> CaseKaryotype | None:
        """The karyotype of the approved cells; None without one."""
        counts = [Counter((one.classes or {}).values()) for one in self.approvals.values()]
        return case_karyotype(counts) if counts else None

    @property
    def summary(self) -> str:
        """Its karyotype by the approved cells, and how many these are."""
        if self.named is None:
            return "no cell yet"
        return f"{self.named.iscn} ({self.named.cells} of {counted(len(self.states), 'cell')})"
