"""The tables of scripts/karyotype.py: rows of cells, files and cases."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from common.predictions import OUT_OF_DISTRIBUTION
from datamodules.inference.cell_images import CellFile, FileStatus
from evaluation.cells.cell_karyotype import ChromosomeCall
from evaluation.cells.prior import KaryotypePriors
from workflows.karyotyping.cases import case_karyotype, share_constitution
from workflows.karyotyping.cell_result import CellResult
from workflows.karyotyping.fixed import text_of

CASE_COLUMNS = ("case", "cells", "karyotype", "share", "clones", "left_out", "changed")
RANKS = ("", "second_", "third_")  # prefixes of the columns of the most probable karyotypes


def cell_table(results: Sequence[CellResult]) -> pd.DataFrame:
    """Return karyotypes.csv: a row per cell, in the order of the cells."""
    return pd.DataFrame([_cell_row(result) for result in results])


def chromosome_table(results: Sequence[CellResult], seen: Mapping[str, str]) -> pd.DataFrame:
    """Return chromosomes.csv: a row per file; ``seen`` is the part of the runs' splits by SHA-256."""
    rows = []
    for result in results:
        for file, call in result.calls:
            rows.append(_file_row(result, file, call, seen))
    return pd.DataFrame(rows)


def case_table(results: Sequence[CellResult], priors: KaryotypePriors) -> pd.DataFrame:
    """Return cases.csv: a row per case of two cells or more that have a karyotype; empty without such a case.

    The cells of a case decide together which constitution it has; ``changed`` names those that have another karyotype
    then than alone.
    """
    cases: dict[str, list[CellResult]] = {}
    for result in results:
        if result.cell.case is not None and result.karyotype.candidates:
            cases.setdefault(result.cell.case, []).append(result)
    rows = []
    for case, of_case in cases.items():
        if len(of_case) > 1:
            rows.append(_case_row(case, of_case, priors))
    return pd.DataFrame(rows, columns=list(CASE_COLUMNS))


def _case_row(case: str, results: Sequence[CellResult], priors: KaryotypePriors) -> dict[str, Any]:
    shared = share_constitution([result.karyotype.candidates for result in results], priors)
    named = case_karyotype([Counter(candidates[0].names) for candidates in shared])
    changed = []
    for result, candidates in zip(results, shared, strict=True):
        iscn = candidates[0].karyotype.iscn
        if result.karyotype.karyotype and result.karyotype.karyotype.iscn != iscn:
            changed.append(f"{result.cell.name}: {iscn}")
    clones = [f"{name}[{cells}]" for name, cells in named.clones.items()]
    left_out = [f"{change} in {cells}" for change, cells in named.left_out.items()]
    values = (case, named.cells, named.iscn, named.share, " ".join(clones), ", ".join(left_out), "; ".join(changed))
    return {name: value or None for name, value in zip(CASE_COLUMNS, values, strict=True)}


def _cell_row(result: CellResult) -> dict[str, Any]:
    karyotype = result.karyotype
    row: dict[str, Any] = {"case": result.cell.case, "cell": result.cell.name, "files": len(result.files)}
    for status in FileStatus:
        row[str(status)] = result.count(status)
    for place, prefix in enumerate(RANKS):
        candidate = karyotype.candidates[place] if place < len(karyotype.candidates) else None
        row[f"{prefix}karyotype"] = candidate.karyotype.iscn if candidate else None
        row[f"{prefix}probability"] = candidate.probability if candidate else None
    row["kind"] = karyotype.karyotype.kind if karyotype.karyotype else None
    row["missing"] = ", ".join(karyotype.missing) or None
    row["extra"] = ", ".join(karyotype.extra) or None
    row["doubtful"] = karyotype.doubtful
    row[OUT_OF_DISTRIBUTION] = len(result.foreign) if result.distances else None
    row["refer"] = "yes" if result.reasons else "no"
    row["reason"] = "; ".join(result.reasons) or None
    row["notes"] = "; ".join(karyotype.notes) or None
    row["karyogram"] = f"karyograms/{result.stem}.png" if result.drawn else None
    return row


def _file_row(
    result: CellResult, file: CellFile, call: ChromosomeCall | None, seen: Mapping[str, str]
) -> dict[str, Any]:
    row: dict[str, Any] = {"case": result.cell.case, "cell": result.cell.name, "file": file.file.name}
    row |= {"status": str(file.status), "cause": file.cause}
    for name in ("class", "probability", "runner_up", "runner_up_probability", "alone", "alone_probability"):
        row[name] = None
    name = file.file.name
    row |= {"doubtful": None, "fixed": text_of(result.fixed[name]) if name in result.fixed else None}
    if call is not None:
        row["class"] = call.assigned
        for name in ("probability", "runner_up", "runner_up_probability", "alone", "alone_probability"):
            row[name] = getattr(call, name)
        row["doubtful"] = "yes" if call.doubtful else "no"
    row[OUT_OF_DISTRIBUTION] = result.distances.get(file.file.name)
    row["seen"] = seen.get(file.sha256 or "")
    row["sha256"] = file.sha256
    return row
