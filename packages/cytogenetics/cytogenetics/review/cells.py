"""The review of cells: the output of scripts/karyotype.py as it is, solved anew around what the reader has fixed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from cytogenetics.cells.cell_karyotype import CellKaryotype, karyotype_of_cell, likely_classes
from cytogenetics.cells.cell_settings import NamingSettings
from cytogenetics.karyotypes.naming import MARKER, name_karyotype
from cytogenetics.review.approved import FOLDER as APPROVED
from cytogenetics.review.approved import publish
from cytogenetics.review.cell_bundle import NO_CHROMOSOME, ReviewBundle, ReviewedCell
from cytogenetics.review.decisions import CLASSES, FILE, Action, CellDecisions, Decision, DecisionLog, Decisions
from cytogenetics.review.drawn import draw, strip_with_drawn, with_drawn
from cytogenetics.review.reviewed import Reviewed, Source
from cytogenetics.review.reviewed_case import ReviewedCase
from datamodules.io.decode import encode_png
from karyocyte.common.karyotype import CHROMOSOMES


class CellReview(Reviewed):
    """The cells of an output folder of scripts/karyotype.py.

    Raises:
        UserError: See ``ReviewBundle``.
    """

    noun = "cell"
    media_type = "image/png"
    actions = frozenset(get_args(Action))
    columns = ("case_id", "cell_id")
    no_labels = (MARKER, NO_CHROMOSOME)

    def __init__(self, output: Path) -> None:
        self.output = output
        self.decisions_file = output / FILE
        self.bundle = ReviewBundle(output)
        self.classes = CLASSES
        self.stems = self.bundle.stems

    def identity(self, stem: str) -> str:
        """Return what tells a cell from those of other pictures or predictions."""
        return self.bundle.identity(stem)

    def metaphase(self, stem: str) -> Path:
        """Return the picture of the metaphase of a cell."""
        return self.bundle.metaphase(stem)

    def queue(self) -> list[dict[str, Any]]:
        """Return all cells, those of a case together, most expected errors first."""
        cells = [(cell.case_name, self.bundle.doubts[cell.stem], cell) for cell in self.bundle.index.cells]
        most = {case: max(self.bundle.doubts[stem] for stem in stems) for case, stems in self.bundle.cases.items()}
        cells.sort(key=lambda line: (most[line[0]], *line[:2]), reverse=True)
        return [{"stem": cell.stem, "title": cell.title, "doubt": doubt, "case": case} for case, doubt, cell in cells]

    def shown(self, stem: str, decisions: CellDecisions) -> dict[str, Any]:
        """Return chromosomes, karyotype and counts.

        They are those of the tables, until the reader fixes a class or draws a chromosome: then they are solved around
        that.
        """
        cell = with_drawn(self.bundle, stem, decisions)
        if decisions.fixed or decisions.drawn:
            shown = self._solved(cell, decisions)
        else:
            shown = {**_stored(cell, decisions), "doubt": self.bundle.doubts[stem]}
        return {
            "stem": stem,
            "counts": _counts(shown["files"]),
            "boxes": [{"name": name, "number": cell.numbers[name], **asdict(box)} for name, box in cell.boxes.items()],
            "left_out": cell.left_out,
            "predicted": cell.karyotype or "no karyotype",
            **shown,
        }

    def groups(self, states: Decisions, reader: str) -> dict[str, dict[str, str]]:
        """Return what is predicted of each case and, beside it, what the reader has approved."""
        groups = {}
        for name in self.bundle.cases:
            case = ReviewedCase.of(self.bundle, states, reader, name)
            predicted = self.bundle.index.cases.get(name, "")
            waiting = case.waiting if case.approvals else {}  # what nothing is asked of is not read
            question = case.question(predicted, {stem: self.bundle.cell(stem).karyotype for stem in waiting})
            groups[name] = {"predicted": predicted, "approved": case.summary, "question": question}
            groups[name] |= {"obstacle": case.obstacle, "signed": case.signature.time if case.signature else ""}
        return groups

    def result(self, log: DecisionLog) -> str:
        """Return the page of approved cells: beside the decisions, where another file of these was named."""
        if log.path.resolve() == self.decisions_file.resolve():
            return str(self.output / APPROVED / "index.html")
        return str(log.path.with_suffix(f".{APPROVED}") / "index.html")

    def publish(self, log: DecisionLog) -> None:
        """Write the folder of approved cells."""
        publish(self.bundle, log.states, Path(self.result(log)).parent)

    def complete(self, decision: Decision, states: Decisions) -> Decision:
        """Return the decision with the boxes of new chromosomes, which are cut out; a signature with what it is of."""
        if decision.action == "sign":
            name = next(cell.case_name for cell in self.bundle.index.cells if cell.stem == decision.cell)
            return ReviewedCase.of(self.bundle, states, decision.reader, name).sign(decision)
        before = states.get((decision.reader, decision.cell), CellDecisions())
        return draw(self.bundle, decision, before) if decision.action in ("add", "cut", "join", "resize") else decision

    def picture(self, stem: str, decisions: CellDecisions) -> bytes:
        """Return the strip of all chromosomes."""
        return encode_png(255 - strip_with_drawn(self.bundle, stem, with_drawn(self.bundle, stem, decisions)))

    def sources(self, stem: str, decisions: CellDecisions) -> Mapping[str, Source]:
        """Return the chromosomes of a cell, by the name of their file."""
        cell = with_drawn(self.bundle, stem, decisions)
        facts = {"case_id": cell.case or "", "cell_id": cell.name}
        sources = {}
        for file in cell.files:
            box = cell.boxes[file.name].corners if cell.boxes else None
            sources[file.name] = Source(Path(file.path), facts, box, file.sha256)
        return sources

    def solve(self, cell: ReviewedCell, fixed: Mapping[str, str]) -> tuple[np.ndarray, CellKaryotype]:
        """Solve the joint assignment of a cell, as scripts/karyotype.py does, around fixed classes by file.

        Returns:
            The rows of the files that are chromosomes, int64, shape (m,), and the karyotype of these.
        """
        kinds = pd.Series(cell.names, dtype=object).map(fixed)
        kept = np.flatnonzero(~kinds.isin(self.no_labels))
        given = kinds.iloc[kept].reset_index(drop=True).dropna().map(CHROMOSOMES.index).to_dict()
        logs = cell.logs[kept].reshape(len(kept), len(CHROMOSOMES))
        index = self.bundle.index
        return kept, karyotype_of_cell(logs, given, NamingSettings(index.priors, index.refer_below, index.balanced))

    def _solved(self, cell: ReviewedCell, decisions: CellDecisions) -> dict[str, Any]:
        fixed = decisions.fixed
        kept, solved = self.solve(cell, fixed)
        is_corrected = bool(decisions.drawn or decisions.removed)  # of its boxes
        solved = replace(solved, boxes_wrong=0.0 if is_corrected else cell.boxes_wrong, of_boxes=bool(cell.boxes))
        waiting = cell.unseen - fixed.keys()
        files = [_entry(name, fixed.get(name), decisions) for name in cell.names]
        for row, call, joint in zip(kept, solved.calls, solved.joint, strict=True):
            files[row] |= {"class": call.assigned, "fixed": call.fixed, "doubtful": call.doubtful}
            files[row] |= {"probability": call.probability, "unlike": cell.files[row].unlike}
            files[row]["others"] = likely_classes(joint, call.assigned)
            if cell.names[row] in waiting:  # only the counts of the cell speak for a class
                files[row] |= {"class": None, "probability": 0.0, "others": likely_classes(joint)}
        return {
            "files": files,
            "result": _named(files) if waiting or solved.karyotype else "no karyotype",
            "probability": None if waiting else solved.probability,
            "doubt": solved.expected_wrong,
            "reasons": self._reasons(cell, solved, [cell.shown(cell.names[row]) for row in kept]),
        }

    def _reasons(self, cell: ReviewedCell, solved: CellKaryotype, shown: Sequence[str]) -> list[str]:
        """Return why a cell is to be looked at; ``shown`` are its kept files, as a reader knows them."""
        distance = np.nan if cell.distance is None else cell.distance
        index = self.bundle.index
        doubts = solved.doubts(distance, index.thresholds, shown)
        return list(dict.fromkeys(filter(None, [index.failed, *solved.reasons, *doubts, *cell.reasons_of_files])))


def _stored(cell: ReviewedCell, decisions: CellDecisions) -> dict[str, Any]:
    files = []
    for file in cell.files:
        entry = _entry(file.name, file.assigned, decisions) | {"fixed": False, "unlike": file.unlike}
        entry |= {"doubtful": file.doubtful, "probability": file.probability, "others": file.others}
        files.append(entry)
    return {
        "files": files,
        "result": cell.karyotype or "no karyotype",
        "probability": cell.probability,
        "reasons": cell.reasons,
    }


def _named(files: list[dict[str, Any]]) -> str:
    """Name the karyotype, or say how many files have no class."""
    if waiting := [file["class"] for file in files].count(None):
        return f"{waiting} of {len(files)} without a class"
    return name_karyotype(_counts(files)).iscn


def _counts(files: list[dict[str, Any]]) -> dict[str, int]:
    counts = Counter(file["class"] for file in files)
    return {name: counts[name] for name in (*CHROMOSOMES, MARKER)}


def _entry(name: str, kind: str | None, decisions: CellDecisions) -> dict[str, Any]:
    return {"name": name, "class": kind, "turned": name in decisions.turned, "fixed": True}
