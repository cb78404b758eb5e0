"""A metaphase with numbered outlines, and its karyogram with the same numbers; each leads to the other."""

from typing import NamedTuple

import numpy as np

from karyocyte.workflows.karyotyping.cell_result import CellResult
from karyocyte.workflows.review.cell_bundle import METAPHASES


class Shape(NamedTuple):
    """A chromosome in a picture: a polygon with a number, which leads to the same chromosome in the other picture."""

    anchor: str
    leads_to: str
    number: int
    points: str
    x: float
    y: float
    kind: str  # "sure", "doubt" or "left-out"
    text: str


class Overlay(NamedTuple):
    """A picture, its size in pixels, and what is drawn over it."""

    source: str
    width: int
    height: int
    shapes: tuple[Shape, ...]
    text: str


def overlays(result: CellResult, anchor: str) -> list[Overlay]:
    """Return the metaphase of a cell and its karyogram; [] of single chromosomes and of what cannot be read."""
    metaphase = result.metaphase
    if metaphase is None or not metaphase.shape[0]:
        return []
    in_picture = []
    in_karyogram = []
    row = -1
    for file, call in result.calls:
        found = metaphase.found[file.file.name]
        here, there = f"{anchor}-m{found.number}", f"{anchor}-k{found.number}"
        kind, text = "left-out", f"{found.number}: {file.cause}"
        if call is not None:
            row += 1
            kind = "doubt" if call.doubtful else "sure"
            text = f"{found.number}: {call.assigned}, probability {call.probability:.2f}"
        in_picture.append(_shape(here, there, found.number, found.outline, kind, text))
        if call is not None and result.drawn is not None and row in result.drawn.places:
            _, x, y, width, height = result.drawn.places[row]
            box = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
            in_karyogram.append(_shape(there, here, found.number, box, kind, text))
    height, width = metaphase.shape
    text = f"Metaphase {result.cell.title}: {len(in_picture)} boxes"
    drawn = [Overlay(f"{METAPHASES}/{result.stem}.png", width, height, tuple(in_picture), text)]
    if result.drawn is not None and result.karyogram:
        height, width = result.drawn.pixels.shape[:2]
        text = f"Karyogram of {result.cell.title}"
        drawn.append(Overlay(result.karyogram, width, height, tuple(in_karyogram), text))
    return drawn


def _shape(anchor: str, leads_to: str, number: int, points: np.ndarray, kind: str, text: str) -> Shape:
    joined = " ".join(f"{x},{y}" for x, y in points.tolist())
    x, y = points[:, 0].mean(), points[:, 1].max()
    return Shape(anchor, leads_to, number, joined, round(float(x), 1), round(float(y), 1), kind, text)
