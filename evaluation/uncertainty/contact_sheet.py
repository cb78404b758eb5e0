"""A contact sheet of new images and their predictions, for review by a person."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.predictions import PROBABILITY_PREFIX
from evaluation.core.plots import canvas
from evaluation.error_analysis.examples import DPI, PLAIN, RIGHT, WRONG

COLUMNS = 6
LIMIT = 48  # images on a sheet
SIDE = 320  # pixels of the longer side of a thumbnail
LETTERS = 30  # of a file's name
TITLE = 0.8  # inches above the first row
CAPTION = 0.85  # inches below each row


def select_rows(table: pd.DataFrame) -> np.ndarray:
    """Return the rows to draw, int64: those to be reviewed first, else in their order, at most LIMIT."""
    return np.argsort(~table["review"].to_numpy(bool), kind="stable")[:LIMIT]


def draw_contact_sheet(
    path: Path, table: pd.DataFrame, images: Sequence[np.ndarray], about: dict[str, Any], total: int
) -> None:
    """Draw images with their predictions and, where known, their true classes.

    Args:
        path: PNG to write.
        table: A row per image: ``file``, the columns of ``flags.review_table`` and, where known, ``label``.
        images: uint8 RGB, (h, w, 3), of any size.
        about: Facts of the run, for the title.
        total: Number of predicted images.
    """
    lines = -(-len(table) // COLUMNS)
    tallest = max(image.shape[0] / image.shape[1] for image in images)
    image_height = 2.3 * min(max(tallest, 0.5), 1.4)  # inches
    height = TITLE + (image_height + CAPTION) * lines
    grid = {"left": 0.01, "right": 0.99, "top": 1 - TITLE / height, "bottom": CAPTION / height}
    grid |= {"wspace": 0.06, "hspace": CAPTION / image_height}
    number = f"{total:,}" if total == len(table) else f"{len(table)} of {total:,}"
    with canvas(path, (2.35 * COLUMNS, height), about, layout="none", dpi=DPI) as figure:
        axes = figure.subplots(lines, COLUMNS, squeeze=False, gridspec_kw=grid)
        axes[0, 0].set_title(f"{number} pictures, those to be reviewed first", fontsize=10.5, loc="left")
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, row, image in zip(axes.flat, table.to_dict("records"), images, strict=False):
            axis.set_anchor("S")
            axis.imshow(image)
            for line, (text, colour) in enumerate(caption(row)):
                style = {"ha": "center", "va": "top", "fontsize": 9, "color": colour}
                offset = (0, -3 - 13 * line)
                axis.annotate(text, (0.5, 0.0), offset, "axes fraction", textcoords="offset points", **style)


def caption(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines below an image with their colours: prediction and truth, both scores, review, file."""
    predicted = row["called"]
    text = f"{predicted} {row[PROBABILITY_PREFIX + predicted]:.2f}"
    colour = PLAIN
    label = row.get("label")
    if label is not None and pd.notna(label):
        text += f" · is {label}"
        colour = RIGHT if label == predicted else WRONG
    lines = [(text, colour)]
    if "sampled_votes" in row:
        scores = f"votes {row['sampled_votes']:.0%}, joint {row['sampled_confidence']:.2f}"
        lines.append((f"{row['sampled_label']}: {scores}", PLAIN))
    lines.append(("to be reviewed", WRONG) if row["review"] else ("", PLAIN))
    file = row["file"]
    if len(file) > LETTERS:
        file = f"…{file[1 - LETTERS :]}"  # the end tells files apart
    return [*lines, (file, PLAIN)]
