"""Chromosomes that a reader has drawn on the picture of a metaphase: added, cut in two, joined of two, or resized.

No network has seen new ones: they have no class until the reader gives one. A resized one keeps what it has.
"""

import math
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from cytogenetics.images.upright import strip_of, upright
from cytogenetics.metaphases.data.cut_out import EDGE, CutOut, cut_out, largest_part, network_picture
from cytogenetics.review.cell_bundle import CUT_OUTS, Box, ReviewBundle, ReviewedBox, ReviewedCell, ReviewedFile
from cytogenetics.review.decisions import CellDecisions, Decision
from cytogenetics.synthesis.metaphase import GROUND
from datamodules.io.decode import BrokenImageError, encode_png, read_image
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_bytes
from karyocyte.common.karyotype import CHROMOSOMES

NO_NETWORK = [-math.log(len(CHROMOSOMES))] * len(CHROMOSOMES)  # log-probabilities: all classes alike
LEAST = 30  # pixels of a chromosome
MARGIN = 4  # pixels that annotators leave around it
CROSSING = 0.3  # intersection over union of boxes whose chromosomes cross
LINE = 2  # pixels of the width of a line, which are of neither part


def with_drawn(bundle: ReviewBundle, stem: str, decisions: CellDecisions) -> ReviewedCell:
    """Return a cell with the chromosomes that a reader has drawn, new ones last; a ``UserError``: a file is gone."""
    cell = bundle.cell(stem)
    for name, drawn in decisions.drawn.items():
        cell = _with_file(bundle, cell, name, drawn)
    return cell


def draw(bundle: ReviewBundle, decision: Decision, before: CellDecisions) -> Decision:
    """Cut the new chromosomes of a decision out of the picture, write them, and return it with their boxes.

    Raises:
        UserError: There is none, or no picture that can be read.
        OSError: They cannot be written.
    """
    cell = with_drawn(bundle, decision.cell, before)
    if decision.action == "add" and decision.image:  # it was cut out, but left out
        return replace(decision, boxes=[cell.boxes[decision.image].corners])
    picture = network_picture(read_picture(bundle.metaphase(decision.cell)), 1.0)
    if decision.boxes:
        cuts = _in_box(cell, decision, before.removed, picture)
    else:
        boxes, cuts = _parts(cell, decision, picture)
        decision = replace(decision, boxes=boxes)
    if not cuts or min(cut.mask.sum() for cut in cuts) < LEAST:
        raise UserError("no chromosome there: draw a box in the picture around one, or a line from side to side of one")
    for name, cut in zip(decision.drawn, cuts, strict=True):
        write_bytes(bundle.output / CUT_OUTS / name, encode_png(cut.pixels))
        bundle.checksums.add(f"{CUT_OUTS}/{name}")
    return decision


def _in_box(cell: ReviewedCell, decision: Decision, removed: set[str], picture: np.ndarray) -> list[CutOut]:
    """Return the chromosome in a box; none where the box is not within the picture, gray, (H, W)."""
    (box,) = np.array(decision.boxes)
    if (box[:2] >= box[2:]).any() or (box[2:] > picture.shape[::-1]).any():
        return []
    others = [cell.boxes[name].corners for name in cell.names if name not in (*removed, decision.image)]
    beside = [other for other in others if _overlap(np.array(other), box) <= CROSSING]  # else a fragment is left
    return cut_out(picture, np.array([*beside, box], np.float32))[-1:]


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two boxes."""
    shared = (np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])).clip(0).prod()
    return float(shared / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared))


def _parts(cell: ReviewedCell, decision: Decision, picture: np.ndarray) -> tuple[list[Box], list[CutOut]]:
    """Return the two largest parts that a line leaves of an image, or two images as one, and their boxes."""
    mask = np.zeros(picture.shape, np.uint8)
    for name in filter(None, (decision.image, decision.other)):
        points = np.array(re.split("[ ,]", cell.boxes[name].outline), np.int32)
        cv2.fillPoly(mask, [points.reshape(-1, 2)], 1)
    masks = [mask]
    if decision.points:
        cv2.polylines(mask, [np.array(decision.points).astype(np.int32)], False, 0, LINE)
        first = largest_part(mask)
        masks = [first & mask, largest_part(mask & ~first)]
    boxes: list[Box] = []
    cuts = []
    for mask in masks:
        x, y, width, height = cv2.boundingRect(mask)
        left, top = max(x - MARGIN, 0), max(y - MARGIN, 0)
        inside = np.s_[top : y + height + MARGIN, left : x + width + MARGIN]
        cuts.append(CutOut.of(picture[inside], mask[inside] > 0, (left, top)))
        height, width = picture[inside].shape
        boxes.append((float(left), float(top), float(left + width), float(top + height)))
    return boxes, cuts


def _with_file(bundle: ReviewBundle, cell: ReviewedCell, name: str, drawn: tuple[str, Box]) -> ReviewedCell:
    """Return a cell with one more chromosome, or another picture and box of one."""
    file, corners = drawn
    path = bundle.output / CUT_OUTS / file
    pixels = read_picture(path)[..., 0]
    left, top, _, _ = map(int, corners)
    cut = CutOut(pixels, pixels < GROUND, (left - EDGE, top - EDGE))
    files = {one.name: one for one in cell.files}
    one = files.get(name) or ReviewedFile(name, "", "", NO_NETWORK, 0.0, False, [])
    files[name] = replace(one, path=str(path), sha256=bundle.checksums.listed.get(f"{CUT_OUTS}/{file}"))
    boxes = dict(cell.boxes)
    if name not in boxes or name != file:  # one that was left out has its own
        boxes[name] = ReviewedBox.of(np.array(corners), cut.outline)
    return replace(cell, files=list(files.values()), boxes=boxes)


def strip_with_drawn(bundle: ReviewBundle, stem: str, cell: ReviewedCell) -> np.ndarray:
    """Return the chromosomes of a cell of ``with_drawn`` side by side, see `strip_of`."""
    # The strip is our own: a cell whose chromosomes have one gray is no blank page.
    strip = 255 - np.asarray(cv2.imread(str(bundle.picture(stem)), cv2.IMREAD_GRAYSCALE))
    before = bundle.cell(stem).files
    images = np.split(strip, len(before), axis=1)
    for place, file in enumerate(cell.files):
        if place >= len(before):
            images.append(upright(read_picture(Path(file.path))))
        elif file.path != before[place].path:
            images[place] = _turned_like(images[place], upright(read_picture(Path(file.path))))
    return strip_of(images)


def _turned_like(before: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return an upright image, uint8 gray on black, upside down where it is then more like that of the box before."""
    left, top, wide, high = cv2.boundingRect(before)
    inside = before[top : top + high, left : left + wide].astype(float)
    turned = np.ascontiguousarray(image[::-1, ::-1])
    one, other = (np.abs(cv2.resize(way, (wide, high)) - inside).mean() for way in (image, turned))
    return turned if other < one else image


def read_picture(path: Path) -> np.ndarray:
    """Read a picture; a ``UserError`` says that it is gone or damaged."""
    try:
        return read_image(path, "detect")
    except BrokenImageError as error:
        raise UserError(f"{path} cannot be read ({error}): put it back") from error
