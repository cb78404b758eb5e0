"""A case as one reader has decided on its cells."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from cytogenetics.cells.cases import SETTLED, CaseKaryotype, case_karyotype
from cytogenetics.review.cell_bundle import ReviewBundle
from cytogenetics.review.decisions import CellDecisions, Decision, Decisions
from karyocyte.common.errors import UserError
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
    def named(self) -> CaseKaryotype:
        """The karyotype of the approved cells, of which there is one at least."""
        return case_karyotype([Counter((one.classes or {}).values()) for one in self.approvals.values()])

    @property
    def summary(self) -> str:
        """Its karyotype by the approved cells, and how many of all cells are approved and have it."""
        if not self.approvals:
            return "no cell yet"
        cells = sum(self.named.clones.values())  # of the approved ones
        named = f"{self.named.iscn} ({cells} of {counted(len(self.states), 'cell')})"
        return f"{named}; not clonal: {self.named.not_clonal}" if self.named.left_out else named

    @property
    def waiting(self) -> dict[str, CellDecisions]:
        """Its cells that are neither approved nor rejected."""
        return {stem: one for stem, one in self.states.items() if not one.state}

    @property
    def obstacle(self) -> str:
        """Why it cannot be signed; "" where it can."""
        changed = [stem for stem, one in self.waiting.items() if one.fixed or one.drawn or one.turned]
        if changed:
            return f"approve or reject {', '.join(changed)} first: there are changes that are neither"
        if not self.approvals:
            return "approve a cell of the case first"
        if not any(self.named.clones.values()):
            return f"approve a further cell, or correct one: none is {self.named.iscn}"
        return ""

    def question(self, predicted: str, of_cells: Mapping[str, str | None]) -> str:
        """What to ask before it is signed; "" where nothing speaks against it, or no cell is approved.

        Args:
            predicted: What is said of its prediction: the karyotype, then the rest, which has the verdict.
            of_cells: The predicted karyotypes of the cells that are neither approved nor rejected.
        """
        if not self.approvals:
            return ""
        said, iscn = predicted.split(" ")[0].rstrip(",;:"), self.named.iscn
        doubts = [f"{self.named.weakness}."] if self.named.weakness else []
        if said and (said != iscn or SETTLED not in predicted.split("; ")):
            doubts.append(f"Predicted was {predicted}.")
        doubts += self._disagreeing(of_cells)
        return "\n".join([*doubts, f"Sign {iscn}?"]) if doubts else ""

    def _disagreeing(self, of_cells: Mapping[str, str | None]) -> list[str]:
        """Say which cells have another karyotype than its clones: approved ones, and others by their prediction."""
        karyotypes = {f"{stem} is approved as": one for stem, one in self._karyotypes.items()}
        karyotypes |= {f"{stem} is not approved and says": one for stem, one in of_cells.items() if one}
        return [f"{cell} {one}." for cell, one in karyotypes.items() if one not in self.named.clones]

    def sign(self, decision: Decision) -> Decision:
        """Return a decision that signs the case as it is approved now; a ``UserError`` says why it cannot be signed."""
        if self.obstacle:
            raise UserError(self.obstacle)
        return replace(decision, to=self.named.iscn, classes=self._karyotypes)

    @cached_property
    def signature(self) -> Decision | None:
        """The last signature of the case as it is approved now; None where something was decided since."""
        latest = max((one.time for one in self.approvals.values()), default="")
        signatures = [one for state in self.states.values() for one in state.actions if one.action == "sign"]
        valid = [one for one in signatures if one.classes == self._karyotypes and one.time >= latest]
        return max(valid, key=lambda one: one.time, default=None)

    @property
    def _karyotypes(self) -> dict[str, str]:
        return {stem: one.to or "" for stem, one in self.approvals.items()}
