"""Chromosomes that a reader has drawn on the picture of a metaphase: added, cut in two, or joined of two.

They are cut out of the picture by a rule, without a network, and have no class until the reader gives one.
"""

from dataclasses import replace

import cv2
import numpy as np

from common.errors import UserError
from common.files import atomic_path
from common.karyotype import CHROMOSOMES
from datamodules.io.decode import BrokenImageError, read_image
from datamodules.metaphases.cut_out import EDGE, CutOut, cut_out
from datamodules.metaphases.picture import network_picture
from datamodules.synthesis.metaphase import GROUND
from workflows.cell_bundle import (
    CUT_OUTS,
    NO_CHROMOSOME,
    Box,
    ReviewBundle,
    ReviewedBox,
    ReviewedCell,
    ReviewedFile,
    rounded,
)
from workflows.decisions import CellDecisions, Decision

NO_NETWORK = rounded(np.full(len(CHROMOSOMES), -np.log(len(CHROMOSOMES))))  # log-probabilities: all classes alike


def with_drawn(bundle: ReviewBundle, stem: str, decisions: CellDecisions) -> ReviewedCell:
    """Return a cell with the chromosomes that a reader has drawn, after the others.

    Raises:
        UserError: See ``draw``: where the file of one is gone, it is cut out again.
    """
    cell = bundle.cell(stem)
    for number, decision in enumerate(decisions.actions):
        if decision.boxes and cell.metaphase is not None:
            if not all((bundle.output / CUT_OUTS / name).is_file() for name in decision.drawn):
                draw(bundle, decision, CellDecisions(decisions.actions[:number]))
            for name, box in decision.drawn.items():
                if name not in cell.names:  # it is in a folder that was made with these decisions
                    cell = _with_file(bundle, cell, name, box)
    return cell


def draw(bundle: ReviewBundle, decision: Decision, before: CellDecisions) -> None:
    """Cut the chromosomes of a decision out of the picture, after the decisions before it, and write them.

    Raises:
        UserError: There is none in a box, it is drawn already, or the picture cannot be read.
        OSError: They cannot be written.
    """
    cell = with_drawn(bundle, decision.cell, before)
    assert cell.metaphase is not None
    if decision.drawn.keys() & set(cell.names):
        raise UserError("this box is drawn already: give its chromosome a class")
    path = bundle.output / cell.metaphase.picture
    try:
        picture = network_picture(read_image(path, "detect"), 1.0)
    except BrokenImageError as error:
        raise UserError(f"{path} cannot be read ({error}): put it back") from error
    left_out = CellDecisions([*before.actions, decision]).fixed
    others = []
    for name in cell.names:
        if left_out.get(name) != NO_CHROMOSOME:
            others.append(cell.metaphase.boxes[name].corners)
    boxes = np.array([*others, *decision.drawn.values()], np.float32)
    for name, cut in zip(decision.drawn, cut_out(picture, boxes)[len(others) :], strict=True):
        if not cut.mask.any():
            raise UserError("no chromosome in this box: draw it around one")
        with atomic_path(bundle.output / CUT_OUTS / name) as temporary:
            temporary.write_bytes(bytes(cv2.imencode(".png", cut.pixels)[1]))


def _with_file(bundle: ReviewBundle, cell: ReviewedCell, name: str, box: Box) -> ReviewedCell:
    """Return a cell with one more file, that of a box."""
    assert cell.metaphase is not None
    path = bundle.output / CUT_OUTS / name
    try:
        pixels = read_image(path)[..., 0]
    except BrokenImageError as error:
        raise UserError(f"{path} cannot be read ({error}): delete it, and it is cut out again") from error
    cut = CutOut(pixels, pixels < GROUND, (int(box[0]) - EDGE, int(box[1]) - EDGE))
    boxes = cell.metaphase.boxes
    number = 1 + max(one.number for one in boxes.values())
    boxes = {**boxes, name: ReviewedBox.of(number, np.array(box), cut.outline)}
    file = ReviewedFile(name, str(path), "", None, NO_NETWORK, upside_down=False, area=int(cut.mask.sum()))
    return replace(cell, files=[*cell.files, file], metaphase=replace(cell.metaphase, boxes=boxes))
