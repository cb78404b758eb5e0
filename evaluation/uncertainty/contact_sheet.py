"""New pictures beside what a model said of each: a contact sheet for a person who looks through them."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from common.predictions import PROBABILITY_PREFIX
from evaluation.core.plots import canvas
from evaluation.error_analysis.examples import DPI, PLAIN, RIGHT, WRONG

# pictures in a row, and on a sheet; pixels of a thumbnail's longer side
COLUMNS = 6
LIMIT = 48
SIDE = 320
LETTERS = 30
# inches above the first row, and below each
TITLE = 0.8
CAPTION = 0.85


def chosen_rows(table: pd.DataFrame) -> np.ndarray:
    """Return which rows are drawn, int64: those to be reviewed first, else in their order, LIMIT at most."""
    return np.argsort(~table["review"].to_numpy(bool), kind="stable")[:LIMIT]


def review_sheet(path: Path, table: pd.DataFrame, images: list[np.ndarray], about: dict, total: int) -> None:
    """Draw the pictures with probability and both scores, and where known the truth.

    Args:
        path: PNG to write.
        table: A row per picture: ``file``, the columns of ``review.flag`` and, where the truth is known, ``label``.
        images: Of each row, uint8 RGB, (h, w, 3), of whatever size.
        about: Facts of the run, for the title.
        total: How many pictures were judged.
    """
    lines = -(-len(table) // COLUMNS)
    tallest = max(image.shape[0] / image.shape[1] for image in images)
    high = 2.3 * min(max(tallest, 0.5), 1.4)  # inches of a picture
    height = TITLE + (high + CAPTION) * lines
    margins = {"left": 0.01, "right": 0.99, "top": 1 - TITLE / height, "bottom": CAPTION / height}
    with canvas(path, (2.35 * COLUMNS, height), about, layout="none", dpi=DPI) as figure:
        gaps = {"wspace": 0.06, "hspace": CAPTION / high}
        grid = figure.subplots(lines, COLUMNS, squeeze=False, gridspec_kw={**margins, **gaps})
        if total > len(table):
            title = f"{len(table)} of {total:,} pictures, those to be reviewed first"
        else:
            title = None
        grid[0, 0].set_title(title or f"{total:,} pictures, those to be reviewed first", fontsize=10.5, loc="left")
        for axis in grid.flat:
            axis.set_axis_off()
        for axis, row, image in zip(grid.flat, table.to_dict("records"), images, strict=False):
            axis.set_anchor("S")
            axis.imshow(image)
            _write(axis, row)


def caption(row: dict) -> list[tuple[str, str]]:
    """Return the lines below a picture, each with its colour: call and truth, both scores, review, file."""
    label = row.get("label")
    if label is None or pd.isna(label):
        truth = ""
    else:
        truth = f" · is {label}"
    if not truth:
        colour = PLAIN
    elif label == row["called"]:
        colour = RIGHT
    else:
        colour = WRONG
    probability = row[PROBABILITY_PREFIX + row["called"]]
    lines = [(f"{row['called']} {probability:.2f}{truth}", colour)]
    if "sampled_votes" in row:
        scores = f"votes {row['sampled_votes']:.0%}, joint {row['sampled_confidence']:.2f}"
        lines.append((f"{row['sampled_label']}: {scores}", PLAIN))
    lines.append(("to be reviewed", WRONG) if row["review"] else ("", PLAIN))
    # Of a file the end of its name tells more.
    if len(row["file"]) <= LETTERS:
        file = row["file"]
    else:
        file = f"…{row['file'][1 - LETTERS :]}"
    return [*lines, (file, PLAIN)]


def _write(axis: Axes, row: dict) -> None:
    for place, (text, colour) in enumerate(caption(row)):
        at = {"xy": (0.5, 0.0), "xycoords": "axes fraction", "xytext": (0, -3 - 13 * place)}
        style = {"textcoords": "offset points", "ha": "center", "va": "top", "fontsize": 9, "color": colour}
        axis.annotate(text, **at, **style)
