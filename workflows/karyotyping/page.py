"""The page of the karyotypes of new cells: one file, the most doubtful cell first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common.files import write_text
from common.karyotype import NORMAL
from common.text import counted
from datamodules.inference.cell_images import FileStatus
from evaluation.cells.cell_karyotype import ChromosomeCall
from evaluation.pages.blocks import Tile
from evaluation.pages.rendering import data_uri, render, template_file
from evaluation.tables import Table
from workflows.karyotyping.cell_result import CellResult

PICTURES = 25_000_000  # bytes of karyograms within the page; those beyond are files beside it
SHOWN = 30  # files in a table of a cell
SIDE = 1400  # pixels of the longer side of a karyogram within the page
ALTERNATIVES = 3  # karyotypes that are shown of a cell


@dataclass(frozen=True)
class PageFacts:
    """What the page says of all cells: ``title``, a line of text below it, warnings, further tables and notes."""

    title: str
    subtitle: str
    warnings: Sequence[str]
    refer_below: float
    tables: Sequence[Table] = field(default_factory=list)
    notes: Sequence[str] = ()


def write_karyotype_page(path: Path, results: Sequence[CellResult], facts: PageFacts) -> int:
    """Write the page of some cells in their order; return how many karyograms are files beside it, not within.

    Karyograms are read below the page's folder.
    """
    budget = PICTURES
    beside = 0
    cells = []
    for result in results:
        source = None
        if result.drawn:
            source = result.karyogram
            if budget > 0:
                data = _picture(path.parent / source)
                budget -= len(data)
                if budget >= 0:
                    source = data
            beside += source == result.karyogram
        cells.append(_cell(result, source))
    page = render(
        "workflows.karyotyping",
        "karyotypes.html.j2",
        facts=facts,
        cells=cells,
        tiles=_tiles(results),
        beside=beside,
        more_style=template_file("workflows.karyotyping", "karyotypes.css"),
    )
    write_text(path, page)
    return beside


def _picture(file: Path) -> str:
    """A karyogram as a data URI."""
    return data_uri(np.asarray(Image.open(file).convert("RGB")), SIDE)


def _cell(result: CellResult, source: str | None) -> dict[str, Any]:
    karyotype = result.karyotype
    alternatives = []
    for candidate in karyotype.candidates[:ALTERNATIVES]:
        alternatives.append((candidate.karyotype.iscn, _probability(candidate.probability)))
    doubts = []
    left_out = []
    for file, call in result.calls:
        if call is None:
            left_out.append((file.file.name, str(file.status), file.cause or ""))
        elif call.doubtful and alternatives:  # without a karyotype the classes are hardly worth a doubt
            doubts.append((file.file.name, call))
    doubts.sort(key=lambda item: item[1].probability)
    return {
        "title": result.cell.title,
        "anchor": f"cell-{result.stem}",
        "karyotypes": alternatives,
        "kind": karyotype.kind.replace("_", " "),
        "reasons": result.reasons,
        "notes": karyotype.notes,
        "counts": _counts(result),
        "source": source,
        "doubts": [_doubt(file, call) for file, call in doubts[:SHOWN]],
        "in_doubt": counted(len(doubts), "chromosome"),
        "more_doubts": max(0, len(doubts) - SHOWN),
        "left_out": left_out[:SHOWN],
        "more_left_out": max(0, len(left_out) - SHOWN),
    }


def _counts(result: CellResult) -> str:
    texts = [counted(len(result.files), "file")]
    for status in FileStatus:
        if count := result.count(status):
            texts.append(f"{count:,} {status}")
    return ", ".join(texts)


def _doubt(file: str, call: ChromosomeCall) -> dict[str, str]:
    assert call.runner_up_probability is not None  # but for fixed classes, which are not in doubt
    return {
        "file": file,
        "class": f"{call.assigned} ({_probability(call.probability)})",
        "or": f"{call.runner_up} ({_probability(call.runner_up_probability)})",
        "alone": f"{call.alone} ({_probability(call.alone_probability)})",
    }


def _probability(value: float) -> str:
    """Write a probability with two digits, or three where two would say 1.00 or 0.00 of what is not certain."""
    if 0.005 <= value < 0.995:
        return f"{value:.2f}"
    return "> 0.99" if value > 0.5 else "< 0.01"


def _tiles(results: Sequence[CellResult]) -> list[Tile]:
    normal = sum(result.karyotype.kind == NORMAL for result in results)
    referred = sum(bool(result.reasons) for result in results)
    chromosomes = sum(len(result.karyotype.calls) for result in results)
    return [
        Tile("cells", f"{len(results):,}", note=f"of {chromosomes:,} chromosomes"),
        Tile("normal", f"{normal:,}", note="46,XX or 46,XY"),
        Tile("other karyotypes", f"{len(results) - normal:,}", note="or none that can be named"),
        Tile("to be referred to an expert", f"{referred:,}", note="the first ones below" if referred else ""),
    ]
