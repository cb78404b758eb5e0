"""The tables of scripts/karyotype.py: a row per cell, and a row per file."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from datamodules.inference.cell_images import CellFile, FileStatus
from evaluation.cytogenetics.cell_karyotype import ChromosomeCall
from workflows.karyotype.cell_result import LEFT_OUT, CellResult
from workflows.karyotype.fixed import NO_CHROMOSOME

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


def _cell_row(result: CellResult) -> dict[str, Any]:
    karyotype = result.karyotype
    row: dict[str, Any] = {"case": result.cell.case, "cell": result.cell.name, "files": len(result.files)}
    for status in FileStatus:
        row[str(status)] = result.count(status)
    for place, prefix in enumerate(RANKS):
        known = karyotype.candidates[place] if place < len(karyotype.candidates) else None
        row[f"{prefix}karyotype"] = known[0].iscn if known else None
        row[f"{prefix}probability"] = known[1] if known else None
    row["kind"] = karyotype.karyotype.kind if karyotype.karyotype else None
    row["missing"] = ", ".join(karyotype.missing) or None
    row["extra"] = ", ".join(karyotype.extra) or None
    row["doubtful"] = karyotype.doubtful
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
    row |= {"doubtful": None, "fixed": NO_CHROMOSOME if file.cause == LEFT_OUT else None}
    if call is not None:
        row["class"] = call.assigned
        for name in ("probability", "runner_up", "runner_up_probability", "alone", "alone_probability"):
            row[name] = getattr(call, name)
        row["doubtful"] = "yes" if call.doubtful else "no"
        row["fixed"] = call.assigned if call.fixed else None
    row["seen"] = seen.get(file.sha256 or "")
    row["sha256"] = file.sha256
    return row
