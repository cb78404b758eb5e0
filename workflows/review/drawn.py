"""Chromosomes that a reader has drawn on the picture of a metaphase: added, cut in two, or joined of two.

They are cut out of the picture by a rule, without a network, and have no class until the reader gives one.
"""

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from common.errors import UserError
from common.files import atomic_path
from common.karyotype import CHROMOSOMES
from datamodules.io.decode import BrokenImageError, read_image
from datamodules.metaphases.cut_out import EDGE, CutOut, cut_out
from datamodules.metaphases.picture import network_picture
from datamodules.synthesis.metaphase import GROUND
from workflows.cell_bundle import CUT_OUTS, METAPHASES, ReviewBundle, ReviewedBox, ReviewedCell, ReviewedFile
from workflows.decisions import CellDecisions, Decision

NO_NETWORK = [-math.log(len(CHROMOSOMES))] * len(CHROMOSOMES)  # log-probabilities: all classes alike
LEAST_SIDE = 6  # pixels of a box


def with_drawn(bundle: ReviewBundle, stem: str, decisions: CellDecisions) -> ReviewedCell:
    """Return a cell with the chromosomes that a reader has drawn, after the others.

    Raises:
        UserError: See ``draw``: where the file of one is gone, it is cut out again.
    """
    cell = bundle.cell(stem)
    for number, decision in enumerate(decisions.actions):
        if decision.boxes and cell.boxes:
            if not all((bundle.output / CUT_OUTS / name).is_file() for name in decision.drawn):
                draw(bundle, decision, CellDecisions(decisions.actions[:number]))
            for name, box in decision.drawn.items():
                if name not in cell.names:  # it is in a folder that was made with these decisions
                    cell = _with_file(bundle.output / CUT_OUTS / name, cell, name, np.array(box))
    return cell


def draw(bundle: ReviewBundle, decision: Decision, before: CellDecisions) -> None:
    """Cut the chromosomes of a decision out of the picture, after the decisions before it, and write them.

    Raises:
        UserError: There is none in a box, it is drawn already, or there is no picture that can be read.
        OSError: They cannot be written.
    """
    cell = with_drawn(bundle, decision.cell, before)
    if decision.drawn.keys() & set(cell.names):
        raise UserError("this box is drawn already: give its chromosome a class")
    picture = network_picture(_read(bundle.output / METAPHASES / f"{decision.cell}.png"), 1.0)
    drawn = np.array(list(decision.drawn.values()), np.float32)
    low, high = drawn[:, :2], drawn[:, 2:]
    if (high - low < LEAST_SIDE).any() or (low < 0).any() or (high > picture.shape[::-1]).any():
        raise UserError(f"a box is of less than {LEAST_SIDE} pixels, or not within the picture: draw it again")
    removed = CellDecisions([*before.actions, decision]).removed
    others = [cell.boxes[name].corners for name in cell.names if name not in removed]
    cuts = cut_out(picture, np.concatenate([np.array(others, np.float32).reshape(-1, 4), drawn]))
    for name, cut in zip(decision.drawn, cuts[len(others) :], strict=True):
        if not cut.mask.any():
            raise UserError("no chromosome in this box: draw it around one")
        with atomic_path(bundle.output / CUT_OUTS / name) as temporary:
            temporary.write_bytes(bytes(cv2.imencode(".png", cut.pixels)[1]))


def _with_file(path: Path, cell: ReviewedCell, name: str, box: np.ndarray) -> ReviewedCell:
    """Return a cell with one more file, that of a box."""
    pixels = _read(path)[..., 0]
    left, top = box[:2].astype(int).tolist()
    cut = CutOut(pixels, pixels < GROUND, (left - EDGE, top - EDGE))
    file = ReviewedFile(name, str(path), "", None, NO_NETWORK, upside_down=False, area=int(cut.mask.sum()))
    return replace(cell, files=[*cell.files, file], boxes={**cell.boxes, name: ReviewedBox.of(box, cut.outline)})


def _read(path: Path) -> np.ndarray:
    try:
        return read_image(path, "detect")
    except BrokenImageError as error:
        raise UserError(f"{path} cannot be read ({error}): put it back") from error
