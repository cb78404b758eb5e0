"""The tables of scripts/karyotype.py, with rows of cells, files and cases, and what is said of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from datamodules.inference.cell_images import CellFile, FileStatus
from datamodules.io.decode import note_lines
from karyocyte.common.files import write_csv
from karyocyte.common.karyotype import MARKER, CellThresholds
from karyocyte.common.predictions import OUT_OF_DISTRIBUTION
from karyocyte.common.text import counted
from karyocyte.evaluation.cells.cases import case_karyotype, share_constitution
from karyocyte.evaluation.cells.cell_karyotype import ChromosomeCall
from karyocyte.evaluation.cells.prior import KaryotypePriors
from karyocyte.workflows.karyotyping.cell_result import CellResult

CASE_COLUMNS = ("case", "cells", "karyotype", "share", "clones", "left_out", "changed")
RANKS = ("", "second_", "third_")  # prefixes of the columns of the most probable karyotypes
OF_CALL = ("probability", "runner_up", "runner_up_probability", "alone", "alone_probability")
FILE_COLUMNS = (
    *("case", "cell", "file", "status", "cause", "note", "class", *OF_CALL),
    *("doubtful", "fixed", OUT_OF_DISTRIBUTION, "seen", "sha256"),
)
# Of a chromosome in a picture: its number there, its box in pixels, and the probability that it is a chromosome.
BOX_COLUMNS = ("number", "left", "top", "right", "bottom", "box_probability")
WIDTH = 78  # of a line on the terminal, which is set in by two: a longer name of a cell is cut
YES_OR_NO = {True: "yes", False: "no"}


class Tables(NamedTuple):
    """karyotypes.csv, chromosomes.csv and cases.csv, which may be empty."""

    cells: pd.DataFrame
    chromosomes: pd.DataFrame
    cases: pd.DataFrame

    @classmethod
    def of(cls, results: Sequence[CellResult], seen: Mapping[str, str], priors: KaryotypePriors) -> "Tables":
        """Make a row per cell, file and case; ``seen`` is the part of the runs' splits by SHA-256."""
        rows = []
        for result in results:
            for file, call in result.calls:
                rows.append(_file_row(result, file, call, seen))
        return cls(pd.DataFrame(list(map(_cell_row, results))), pd.DataFrame(rows), case_table(results, priors))

    def most_doubtful_first(self) -> pd.DataFrame:
        """Return the cells in the order of expected errors, the most first; those without an image before all."""
        cells = self.cells.assign(expected_wrong=self.cells["expected_wrong"].astype(float))
        cells = cells.sort_values("expected_wrong", ascending=False, na_position="first", kind="stable")
        cells = cells.astype(object).where(cells.notna(), None)
        title = [" / ".join(filter(None, names)) for names in zip(cells["case"], cells["cell"], strict=True)]
        errors = [_number_of_wrong(*of_cell) for of_cell in zip(cells["expected_wrong"], cells["used"], strict=True)]
        return cells.assign(title=title, errors=errors)

    def write(self, folder: Path) -> None:
        """Write them to a folder; that of cases where it has any."""
        write_csv(folder / "karyotypes.csv", self.cells, "%.6f")
        write_csv(folder / "chromosomes.csv", self.chromosomes, "%.6f")
        if len(self.cases):
            write_csv(folder / "cases.csv", self.cases, "%.6f")


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
    counts = []
    for result, candidates in zip(results, shared, strict=True):
        counts.append({**Counter(candidates[0].names), MARKER: result.markers})
    named = case_karyotype(counts)
    changed = []
    for result, candidates in zip(results, shared, strict=True):
        iscn = candidates[0].karyotype.iscn
        if result.karyotype.karyotype and result.karyotype.karyotype.iscn != iscn:
            changed.append(f"{result.cell.name}: {iscn}")
    return {
        "case": case,
        "cells": named.cells,
        "karyotype": named.iscn,
        "share": named.share,
        "clones": " ".join(f"{clone}[{cells}]" for clone, cells in named.clones.items()),
        "left_out": ", ".join(f"{change} in {cells}" for change, cells in named.left_out.items()) or None,
        "changed": "; ".join(changed) or None,
    }


def _cell_row(result: CellResult) -> dict[str, Any]:
    karyotype = result.karyotype
    row: dict[str, Any] = {"case": result.cell.case, "cell": result.cell.name, "files": len(result.files)}
    statuses = Counter(file.status for file in result.files)
    for status in FileStatus:
        row[str(status)] = statuses[status]
    for prefix, candidate in zip_longest(RANKS, karyotype.candidates[: len(RANKS)]):
        row[f"{prefix}karyotype"] = candidate and candidate.karyotype.iscn
        row[f"{prefix}probability"] = candidate and candidate.probability
    return row | {
        "kind": karyotype.kind or None,
        "missing": ", ".join(karyotype.missing) or None,
        "extra": ", ".join(karyotype.extra) or None,
        "doubtful": karyotype.doubtful,
        "expected_wrong": karyotype.expected_wrong if karyotype.calls else None,
        "mean_distance": result.mean_distance,
        OUT_OF_DISTRIBUTION: len(result.foreign) if result.distances else None,
        "refer": YES_OR_NO[bool(result.reasons)],
        "reason": "; ".join(result.reasons) or None,
        "karyogram": result.karyogram,
    }


def _number_of_wrong(expected: float | None, count: int) -> str:
    if expected is None:
        return "no image"
    return f"expected wrong: {expected:.{1 if expected >= 1 else 2}f} of {count}"


def _file_row(
    result: CellResult, file: CellFile, call: ChromosomeCall | None, seen: Mapping[str, str]
) -> dict[str, Any]:
    name = file.file.name
    row: dict[str, Any] = dict.fromkeys(FILE_COLUMNS)
    row |= {"case": result.cell.case, "cell": result.cell.name, "file": name}
    row |= {"status": str(file.status), "cause": file.cause, "note": file.note or None}
    if call is not None:
        row |= {"class": call.assigned, "doubtful": YES_OR_NO[call.doubtful]}
        row |= {name: getattr(call, name) for name in OF_CALL}
    row["fixed"] = result.fixed.get(name)
    if result.metaphase is not None:
        found = result.metaphase.found[name]
        row |= dict(zip(BOX_COLUMNS, (found.number, *found.box.round(1).tolist(), found.probability), strict=True))
    row[OUT_OF_DISTRIBUTION] = result.distances.get(name)
    row["seen"] = seen.get(file.sha256 or "")
    row["sha256"] = file.sha256
    return row


def data_warnings(chromosomes: pd.DataFrame) -> list[str]:
    """Warn of images that the runs were trained on."""
    trained_on = chromosomes[chromosomes["seen"] == "train"]
    if trained_on.empty:
        return []
    cells = trained_on[["case", "cell"]].drop_duplicates()
    return [f"the model was trained on {counted(len(trained_on), 'image')} of {counted(len(cells), 'cell')}"]


def cell_lines(tables: Tables) -> list[str]:
    """Name the cells, the most expected errors first, each on a line of the terminal."""
    lines = []
    for cell in tables.most_doubtful_first().itertuples():
        refer = "refer" if cell.refer == "yes" else ""
        said = f"{cell.errors:<28}{refer:<7}", f": {cell.karyotype or 'no karyotype'}"
        room = max(WIDTH - sum(map(len, said)), 12)
        name = cell.title if len(cell.title) <= room else f"{cell.title[: room - 1]}…"
        lines.append(name.join(said))
    return lines


def summary(tables: Tables, thresholds: CellThresholds) -> list[str]:
    """Account for every cell and every file, and say above what a cell is referred."""
    cells, chromosomes, cases = tables
    kinds = cells["kind"].fillna("without karyotype").str.replace("_", " ").value_counts()
    statuses = chromosomes["status"].value_counts().reindex(list(map(str, FileStatus)), fill_value=0)
    lines = [
        f"{counted(len(cells), 'cell')}: {_enumerate(kinds)}",
        f"{counted(len(chromosomes), 'image')}: {_enumerate(statuses)}",
        *note_lines(chromosomes["note"].dropna()),
        f"to be referred to an expert: {(cells['refer'] == 'yes').sum():,}",
    ]
    limits = zip(("expected wrong", "in doubt", "mean distance"), astuple(thresholds), strict=False)
    above = [f"{words} {limit:.3g}" for words, limit in limits if limit is not None]
    lines.append(f"referred above: {', '.join(above)}")
    if len(cases):
        lines.append(f"{counted(len(cases), 'case')} of several cells: see cases.csv")
    return lines


def _enumerate(counts: pd.Series) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
