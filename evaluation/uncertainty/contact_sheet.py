"""A contact sheet of new images and their predictions, for review by a person."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.predictions import PROBABILITY_PREFIX
from evaluation.error_analysis.examples import PLAIN, RIGHT, WRONG, draw_sheet, end_of

COLUMNS = 6
LIMIT = 48  # images on a sheet
SIDE = 320  # pixels of the longer side of a thumbnail
LETTERS = 30  # of a file's name


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
    number = f"{total:,}" if total == len(table) else f"{len(table)} of {total:,}"
    captions = map(caption, table.to_dict("records"))
    strips = {f"{number} pictures, those to be reviewed first": list(zip(images, captions, strict=True))}
    draw_sheet(path, about, strips, COLUMNS, 2.35)


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
    return [*lines, (end_of(row["file"], LETTERS), PLAIN)]
