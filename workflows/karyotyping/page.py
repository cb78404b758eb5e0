"""The page of the karyotypes of new cells: one file, the most doubtful cell first."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common.files import write_text
from common.karyotype import NORMAL
from common.text import counted
from evaluation.cells.cell_karyotype import CellKaryotype, ChromosomeCall
from evaluation.pages.blocks import Tile
from evaluation.pages.rendering import data_uri, render, template_file
from evaluation.tables import Table

PICTURES = 25_000_000  # bytes of karyograms within the page; those beyond are files beside it
SHOWN = 30  # files in a table of a cell
SIDE = 1400  # pixels of the longer side of a karyogram within the page
ALTERNATIVES = 3  # karyotypes that are shown of a cell


@dataclass(frozen=True)
class CellEntry:
    """A cell on the page.

    Attributes:
        title: Case and cell.
        anchor: Unique on the page: letters, digits, ".", "-", "_" and "~".
        karyotype: Its karyotype.
        reasons: Why an expert should look; empty where nothing is in doubt.
        counts: Number of files by what became of them, with the total.
        calls: Names of the used files with their classes.
        left_out: Names of the others, with what became of them and why.
        picture: The karyogram, a PNG below the page's folder; None without.
    """

    title: str
    anchor: str
    karyotype: CellKaryotype
    reasons: Sequence[str]
    counts: dict[str, int]
    calls: Sequence[tuple[str, ChromosomeCall]]
    left_out: Sequence[tuple[str, str, str]]
    picture: str | None


@dataclass(frozen=True)
class PageFacts:
    """What the page says of all cells: ``title``, a line of text below it, warnings, further tables and notes."""

    title: str
    subtitle: str
    warnings: Sequence[str]
    refer_below: float
    tables: Sequence[Table] = field(default_factory=list)
    notes: Sequence[str] = ()


def write_karyotype_page(path: Path, entries: Sequence[CellEntry], facts: PageFacts) -> int:
    """Write the page of some cells in their order; return how many karyograms are files beside it, not within."""
    budget = PICTURES
    beside = 0
    cells = []
    for entry in entries:
        source = None
        if entry.picture is not None:
            source = entry.picture
            if budget > 0:
                data = _picture(path.parent / entry.picture)
                budget -= len(data)
                source = data if budget >= 0 else source
            beside += source == entry.picture
        cells.append(_cell(entry, source))
    page = render(
        "workflows.karyotyping",
        "karyotypes.html.j2",
        facts=facts,
        cells=cells,
        tiles=_tiles(entries),
        beside=beside,
        more_style=template_file("workflows.karyotyping", "karyotypes.css"),
    )
    write_text(path, page)
    return beside


def _picture(file: Path) -> str:
    """A karyogram as a data URI."""
    return data_uri(np.asarray(Image.open(file).convert("RGB")), SIDE)


def _cell(entry: CellEntry, source: str | None) -> dict[str, Any]:
    karyotype = entry.karyotype
    alternatives = []
    for candidate in karyotype.candidates[:ALTERNATIVES]:
        alternatives.append((candidate.karyotype.iscn, _probability(candidate.probability)))
    # Without a karyotype the classes are hardly worth a doubt.
    doubts = _doubts(entry.calls) if alternatives else []
    return {
        "title": entry.title,
        "anchor": entry.anchor,
        "karyotypes": alternatives,
        "kind": karyotype.karyotype.kind.replace("_", " ") if karyotype.karyotype else "",
        "reasons": entry.reasons,
        "notes": karyotype.notes,
        "counts": _counts(entry.counts),
        "source": source,
        "doubts": doubts[:SHOWN],
        "in_doubt": counted(len(doubts), "chromosome"),
        "more_doubts": max(0, len(doubts) - SHOWN),
        "left_out": entry.left_out[:SHOWN],
        "more_left_out": max(0, len(entry.left_out) - SHOWN),
    }


def _counts(counts: dict[str, int]) -> str:
    statuses = [f"{count:,} {name}" for name, count in counts.items() if count and name != "files"]
    return ", ".join([counted(counts["files"], "file"), *statuses])


def _doubts(calls: Sequence[tuple[str, ChromosomeCall]]) -> list[dict[str, str]]:
    rows = []
    for file, call in sorted(calls, key=lambda item: item[1].probability):
        if call.doubtful:
            assert call.runner_up_probability is not None  # but for fixed classes, which are not in doubt
            row = {
                "file": file,
                "class": f"{call.assigned} ({_probability(call.probability)})",
                "or": f"{call.runner_up} ({_probability(call.runner_up_probability)})",
                "alone": f"{call.alone} ({_probability(call.alone_probability)})",
            }
            rows.append(row)
    return rows


def _probability(value: float) -> str:
    """Write a probability with two digits, or three where two would say 1.00 or 0.00 of what is not certain."""
    if 0.005 <= value < 0.995:
        return f"{value:.2f}"
    return "> 0.99" if value > 0.5 else "< 0.01"


def _tiles(entries: Sequence[CellEntry]) -> list[Tile]:
    kinds = Counter(entry.karyotype.karyotype.label if entry.karyotype.karyotype else None for entry in entries)
    referred = sum(bool(entry.reasons) for entry in entries)
    chromosomes = sum(len(entry.calls) for entry in entries)
    return [
        Tile("cells", f"{len(entries):,}", note=f"of {chromosomes:,} chromosomes"),
        Tile("normal", f"{kinds[NORMAL]:,}", note="46,XX or 46,XY"),
        Tile("other karyotypes", f"{len(entries) - kinds[NORMAL]:,}", note="or none that can be named"),
        Tile("to be referred to an expert", f"{referred:,}", note="the first ones below" if referred else ""),
    ]
