"""The page of the karyotypes of new cells: what the tables say, with the karyograms, the most doubtful cell first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from datamodules.inference.cell_images import FileStatus
from karyocyte.common.files import write_text
from karyocyte.evaluation.pages.rendering import render, template_file
from karyocyte.evaluation.tables import Table
from karyocyte.workflows.karyotyping.cell_result import CellResult
from karyocyte.workflows.karyotyping.overlays import overlays
from karyocyte.workflows.karyotyping.tables import RANKS, Tables
from karyocyte.workflows.review.cell_bundle import EMPTY
from karyocyte.workflows.review.cell_bundle import FOLDER as REVIEW

CASES = (
    "Cases of several cells, which decide together on the constitution. A gain counts in two cells, a loss in three "
    "(or in all of a case with fewer); other changes are those of single cells."
)
DOUBTS = "The class is that in the cell; the next most probable one; and the most probable one of the image alone."


@dataclass(frozen=True)
class PageFacts:
    """What the page says of all cells: ``title``, lines of text below it, warnings, and the threshold of referral."""

    title: str
    lines: Sequence[str]
    warnings: Sequence[str]
    refer_below: float


def write_karyotype_page(path: Path, tables: Tables, facts: PageFacts, results: Sequence[CellResult]) -> None:
    """Write the page; karyograms, and the metaphases and pictures of each cell are files below its folder."""
    ends = tables.cells["files"].cumsum()
    shown = []
    for number, cell in tables.most_doubtful_first().iterrows():
        files = tables.chromosomes.iloc[ends[number] - cell["files"] : ends[number]]
        result = results[number]
        details = _details(cell, files) | {"anchor": f"cell-{number}", "stem": result.stem}
        details["crops"] = _crops(path.parent / REVIEW / f"{result.stem}.png", files, details["doubts"])
        details["overlays"] = overlays(result, f"cell-{number}")
        details["outside"] = result.metaphase.outside if result.metaphase else ()
        shown.append({**cell, **details})
    cases = [Table.of_frame("Cases", tables.cases, reading=CASES)] if len(tables.cases) else []
    page = render(
        "karyocyte.workflows.karyotyping",
        "karyotypes.html.j2",
        facts=facts,
        cells=shown,
        cases=cases,
        more_style=template_file("karyocyte.workflows.karyotyping", "karyotypes.css"),
    )
    write_text(path, page)


def _details(cell: pd.Series, files: pd.DataFrame) -> dict[str, Any]:
    """Return what a cell's part of the page has beside its row of the table."""
    karyotypes = []
    for prefix in RANKS:
        if cell[f"{prefix}karyotype"] is not None:
            karyotypes.append((cell[f"{prefix}karyotype"], _probability(cell[f"{prefix}probability"])))
    counts = [f"{cell[str(status)]:,} {status}" for status in FileStatus if cell[str(status)]]
    doubts = files[(files["doubtful"] == "yes") & bool(karyotypes)].sort_values("probability")
    doubts = doubts[
        ["file", "class", "probability", "runner_up", "runner_up_probability", "alone", "alone_probability"]
    ]
    left_out = files.loc[files["status"] != FileStatus.USED, ["file", "status", "cause"]]
    tables = []
    if len(left_out):
        tables.append(Table.of_frame("Files that are not used", left_out))
    rows = doubts.set_axis(doubts.columns.str.replace("_", " "), axis=1)
    doubtful = Table.of_frame("Chromosomes in doubt", rows, reading=DOUBTS)
    return {"karyotypes": karyotypes, "counts": ", ".join(counts), "tables": tables, "doubts": doubtful}


def _crops(strip: Path, files: pd.DataFrame, doubts: Table) -> dict[str, Any]:
    """Return the strip of a cell's pictures, the places of those in doubt and the rows that these fill; or {}."""
    if not doubts or not strip.is_file():
        return {}
    used = files.loc[files["status"] == FileStatus.USED, "file"].tolist()
    places = [used.index(row[0]) for row in doubts.rows]
    with Image.open(strip) as image:
        pictures = np.stack(np.split(np.asarray(image.convert("L")), len(used), axis=1))
    rows = np.flatnonzero((pictures[places] < 255 - EMPTY).any(axis=(0, 2)))
    top, bottom = int(rows.min(initial=pictures.shape[1] - 1)), int(rows.max(initial=0)) + 1
    shape = {"pictures": len(used), "ratio": pictures.shape[2] / (bottom - top)}
    shape |= {"height": pictures.shape[1] / (bottom - top), "top": top / (bottom - top)}
    return shape | {"source": f"{REVIEW}/{strip.name}", "places": places}


def _probability(value: float) -> str:
    """Write a probability with two digits, without saying 1.00 or 0.00 of what is not certain."""
    if 0.005 <= value < 0.995:
        return f"{value:.2f}"
    return "> 0.99" if value > 0.5 else "< 0.01"
