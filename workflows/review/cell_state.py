"""A cell on the review page: its karyotype solved anew around what the reader has fixed."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from common.karyotype import CHROMOSOMES, name_karyotype
from evaluation.cells.assignment import size_refusal
from evaluation.cells.cell_karyotype import CellKaryotype, describe_cell
from evaluation.cells.posterior import karyotype_posterior
from workflows.cell_bundle import NO_CHROMOSOME, ReviewBundle, ReviewedCell
from workflows.review.decisions import CellDecisions

LISTED = 4  # other classes of a chromosome
LEAST = 0.001  # probability of another class that is listed


@dataclass(frozen=True, eq=False)
class SolvedCell:
    """A cell solved around fixed classes.

    Attributes:
        kept: Rows of the files that are chromosomes, int64, shape (m,).
        karyotype: Of these, in their order.
        joint: The probability of each class given all chromosomes, float64, shape (m, 24).
    """

    kept: np.ndarray
    karyotype: CellKaryotype
    joint: np.ndarray


def all_fixed(cell: ReviewedCell, decisions: CellDecisions) -> dict[str, str]:
    """Return the classes that the reader, or an expert before, has fixed, by file."""
    before = {file.name: file.fixed for file in cell.files if file.fixed is not None}
    return {**before, **decisions.fixed}


def solve(bundle: ReviewBundle, cell: ReviewedCell, fixed: dict[str, str]) -> SolvedCell:
    """Solve the joint assignment of a cell, as scripts/karyotype.py does, around fixed classes."""
    kept = np.array([row for row, name in enumerate(cell.names) if fixed.get(name) != NO_CHROMOSOME], dtype=np.int64)
    logs = cell.logs[kept].reshape(len(kept), len(CHROMOSOMES))
    rows: dict[int, int] = {}
    for place, row in enumerate(kept):
        kind = fixed.get(cell.names[row])
        if kind is not None:
            rows[place] = CHROMOSOMES.index(kind)
    posterior = None
    if not size_refusal(len(kept)):
        posterior = karyotype_posterior(logs, bundle.priors, rows, bundle.index.balanced)
    karyotype = describe_cell(logs, posterior, rows, bundle.index.refer_below)
    return SolvedCell(kept, karyotype, np.exp(logs) if posterior is None else posterior.marginals)


def shown_cell(bundle: ReviewBundle, stem: str, decisions: CellDecisions, blind: bool) -> dict[str, Any]:
    """Return what the page shows of a cell; where ``blind``, nothing that comes from the model."""
    cell = bundle.cell(stem)
    chromosomes = _blind(cell, decisions) if blind else _solved(bundle, cell, decisions)
    counts = dict.fromkeys(CHROMOSOMES, 0)
    for one in chromosomes["files"]:
        if one["class"] in counts:
            counts[one["class"]] += 1
    return {
        "stem": stem,
        "approved": decisions.approval is not None,
        "undoable": bool(decisions.actions),
        "counts": counts,
        **chromosomes,
    }


def _blind(cell: ReviewedCell, decisions: CellDecisions) -> dict[str, Any]:
    fixed = decisions.fixed
    chromosomes = [_entry(name, fixed.get(name), decisions) for name in cell.names]
    named = [one["class"] for one in chromosomes if one["class"] not in (None, NO_CHROMOSOME)]
    waiting = sum(one["class"] is None for one in chromosomes)
    if waiting:
        karyotype = f"{waiting} of {len(chromosomes)} without a class"
    else:
        karyotype = name_karyotype({name: named.count(name) for name in CHROMOSOMES}).iscn
    return {"files": chromosomes, "result": karyotype, "probability": None, "reasons": [], "left_out": []}


def _solved(bundle: ReviewBundle, cell: ReviewedCell, decisions: CellDecisions) -> dict[str, Any]:
    fixed = all_fixed(cell, decisions)
    solved = solve(bundle, cell, fixed)
    places = {int(row): place for place, row in enumerate(solved.kept)}
    chromosomes = []
    for row, name in enumerate(cell.names):
        if row not in places:
            chromosomes.append(_entry(name, NO_CHROMOSOME, decisions) | {"fixed": True})
            continue
        call = solved.karyotype.calls[places[row]]
        entry = _entry(name, call.assigned, decisions) | {"fixed": call.fixed, "doubtful": call.doubtful}
        entry["probability"] = call.probability
        entry["foreign"] = cell.files[row].foreign
        entry["others"] = _others(solved.joint[places[row]], call.assigned)
        chromosomes.append(entry)
    named = solved.karyotype.karyotype
    return {
        "files": chromosomes,
        "result": named.iscn if named else "no karyotype",
        "probability": solved.karyotype.probability,
        "reasons": [*solved.karyotype.reasons, *solved.karyotype.notes],
        "left_out": cell.left_out,
    }


def _entry(name: str, kind: str | None, decisions: CellDecisions) -> dict[str, Any]:
    return {"name": name, "class": kind, "turned": name in decisions.turned, "fixed": name in decisions.fixed}


def _others(probabilities: np.ndarray, assigned: str) -> list[tuple[str, float]]:
    order = np.argsort(-probabilities, kind="stable")
    likely = [(CHROMOSOMES[kind], float(probabilities[kind])) for kind in order if probabilities[kind] >= LEAST]
    return [(name, probability) for name, probability in likely if name != assigned][:LISTED]
