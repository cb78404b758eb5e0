"""Lays the chromosomes of one cell out as a karyogram, as a cytogeneticist does, with the truth beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from common.errors import UserError
from common.karyotype import AUTOSOMES
from datamodules.synthesis.config import SheetConfig
from datamodules.synthesis.karyogram_layout import Layout, Place, lay_out
from datamodules.synthesis.metaphase import GROUND, Chromosome, Metaphase

_ALIKE = {"X": "7", "Y": "22"}  # of about the same size: the room of one that is lost and has no homologue
# pixels high
_SMALLEST_LETTERS = 5
_LARGEST_LETTERS = 16
# pixels of a digit at scale 1
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22.0


@dataclass(frozen=True, eq=False)
class Sheet:
    """A karyogram.

    Attributes:
        pixels: uint8 gray, shape (H, W), dark on `GROUND`.
        places: One per chromosome; no two overlap.
        truth: bool, shape (H, W): where the abnormality is. Of a cell that was changed that is what was changed; of one
            that is abnormal by its counts alone, all chromosomes of the class that has too many, or the empty place
            of the one that is missing. Nowhere in a normal cell.
        scale: Pixels of the sheet per pixel of the chromosomes' pictures.
    """

    pixels: np.ndarray
    places: tuple[Place, ...]
    truth: np.ndarray
    scale: float


class _Ink(NamedTuple):
    """A chromosome, cut to where it is."""

    pixels: np.ndarray
    mask: np.ndarray
    changed: np.ndarray | None


def compose(cell: Metaphase, sheet: SheetConfig) -> Sheet:
    """Lay a cell out on a sheet.

    Denver groups, pairs in order, the sex chromosomes last; homologues side by side on one base line, in the order of
    the cell, with their class below them. One factor scales the whole cell. A lone autosome is on the left one of
    its pair's two places.

    Args:
        cell: Its chromosomes, at least one.
        sheet: Size, scale and gaps.

    Raises:
        UserError: The sheet is too small, or its gaps are too narrow for labels.
    """
    _check_room_for_labels(sheet)
    inks: dict[str, list[_Ink]] = {}
    for chromosome in cell.chromosomes:
        inks.setdefault(chromosome.label, []).append(_cut_out(chromosome))
    sizes = {name: [ink.mask.shape[::-1] for ink in found] for name, found in inks.items()}
    for name in AUTOSOMES:  # the second place of a pair stays free
        sizes |= {name: sizes[name] * 2} if len(sizes.get(name, ())) == 1 else {}
    layout = lay_out(sizes, sheet)
    pixels = np.full(sheet.size, GROUND, np.uint8)
    truth = np.zeros(sheet.size, bool)
    places = []
    for name, found in inks.items():
        for ink, place in zip(found, layout.places[name], strict=False):
            _draw(ink, place, layout.scale, pixels, truth)
            places.append(place)
    _mark_counts(cell, layout, sheet.homologue_gap, pixels, truth)
    if sheet.labels:
        _write_labels(pixels, layout, _letters(sheet))
    return Sheet(pixels, tuple(places), truth, layout.scale)


def _cut_out(chromosome: Chromosome) -> _Ink:
    rows = np.nonzero(chromosome.mask.any(axis=1))[0]
    columns = np.nonzero(chromosome.mask.any(axis=0))[0]
    inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    changed = None if chromosome.changed is None else chromosome.changed[inside]
    return _Ink(chromosome.pixels[inside], chromosome.mask[inside], changed)


def _draw(ink: _Ink, place: Place, scale: float, pixels: np.ndarray, truth: np.ndarray) -> None:
    """Draw a chromosome into the middle of its place."""
    height, width = (max(1, round(side * scale)) for side in ink.mask.shape)
    left = place.x + (place.width - width) // 2
    top = place.y + (place.height - height) // 2
    inside = np.s_[top : top + height, left : left + width]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(ink.pixels, (width, height), interpolation=interpolation)
    # Cubic interpolation rings: what is beyond the outline stays plain ground.
    covered = cv2.resize(ink.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0
    pixels[inside] = np.where(covered, scaled, GROUND)
    if ink.changed is not None:
        changed = cv2.resize(ink.changed.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        truth[inside] |= changed > 0


def _mark_counts(cell: Metaphase, layout: Layout, gap: int, pixels: np.ndarray, truth: np.ndarray) -> None:
    """Mark what the counts alone tell: the places of missing chromosomes, and the class that has too many."""
    missing, surplus = _deviations(cell)
    for name in missing:
        place = _free_place(name, cell, layout, gap)
        truth[place.y : place.y + place.height, place.x : place.x + place.width] = True
    if all(chromosome.changed is None for chromosome in cell.chromosomes):
        for place in (place for name in surplus for place in layout.places[name]):
            inside = np.s_[place.y : place.y + place.height, place.x : place.x + place.width]
            truth[inside] |= pixels[inside] < GROUND


def _deviations(cell: Metaphase) -> tuple[Sequence[str], Sequence[str]]:
    """The missing chromosomes, and the classes with more than they should have (both sexes' where there are three)."""
    counts = cell.counts
    sexes = counts["X"] + counts["Y"]
    missing = [name for name in AUTOSOMES if counts[name] == 1] + (["X"] if sexes == 1 else [])
    surplus = [name for name in AUTOSOMES if counts[name] > 2] + (["X", "Y"] if sexes > 2 else [])
    return cell.lost or missing, surplus


def _free_place(name: str, cell: Metaphase, layout: Layout, gap: int) -> Place:
    """The place of a missing chromosome: beside its homologue, or where its column is empty."""
    found = layout.places[name]
    if len(found) > cell.counts[name]:
        return found[-1]
    if found:
        return found[-1]._replace(x=found[-1].x + found[-1].width + gap)
    middle, bottom = layout.feet[name]
    alike = layout.places.get(_ALIKE.get(name, "")) or [place for places in layout.places.values() for place in places]
    left = max(0, middle - alike[0].width // 2)
    top = bottom - alike[0].height
    return alike[0]._replace(chromosome=name, x=left, y=max(0, top))


def _letters(sheet: SheetConfig) -> int:
    """The height of the labels in pixels: half of the gap that they stand in."""
    return min(min(sheet.row_gap, sheet.margin) // 2, _LARGEST_LETTERS)


def _check_room_for_labels(sheet: SheetConfig) -> None:
    if sheet.labels and _letters(sheet) < _SMALLEST_LETTERS:
        least = 2 * _SMALLEST_LETTERS
        found = "data.sheet.labels=true writes into data.sheet.row_gap and data.sheet.margin"
        raise UserError(f"{found}: widen both to {least} pixels or more, or say data.sheet.labels=false")


def _write_labels(pixels: np.ndarray, layout: Layout, letters: int) -> None:
    """Write each class below its column, whether it has a chromosome or not: labels tell nothing of the cell."""
    scale = letters / _FONT_HEIGHT
    for name, (middle, bottom) in layout.feet.items():
        (width, height), _ = cv2.getTextSize(name, _FONT, scale, 1)
        foot = (middle - width // 2, bottom + letters // 2 + height)
        cv2.putText(pixels, name, foot, _FONT, scale, 0, 1, cv2.LINE_AA)
