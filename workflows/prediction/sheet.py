"""The contact sheet of new images: the most doubtful ones with their predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.predictions import OUT_OF_DISTRIBUTION
from common.text import quoted
from evaluation.examples import PLAIN, RIGHT, WRONG, draw_sheet, end_of
from evaluation.referral.new_images import FOREIGN

COLUMNS = 6
LIMIT = 48  # images on a contact sheet
SIDE = 320  # pixels of the longer side of a thumbnail
LETTERS = 30  # of a file's name


def draw_contact_sheet(
    path: Path, table: pd.DataFrame, images: Sequence[np.ndarray], about: dict[str, Any], total: int
) -> None:
    """Draw some of ``total`` images (uint8 RGB, (h, w, 3), of any size) with their predictions to a PNG.

    ``table`` has a row per image: ``file``, the columns of ``review_table`` and, where known, ``label``. Images
    that are all smaller than ``SIDE``, such as chromosomes, are shown at one scale: their size says what they are.
    """
    if all(max(image.shape[:2]) < SIDE for image in images):
        images = at_one_scale(images)
    number = f"{total:,}" if total == len(table) else f"{len(table)} of {total:,}"
    captions = map(caption, table.to_dict("records"))
    strips = {f"{number} pictures, the most doubtful first": list(zip(images, captions, strict=True))}
    draw_sheet(path, about, strips, COLUMNS, 2.35)


def at_one_scale(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Pad images (uint8 RGB, (h, w, 3)) around to one height and width, each with the colour of its border."""
    height, width, _ = np.max([image.shape for image in images], axis=0)
    padded = []
    for image in images:
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        sheet = np.empty((height, width, 3), np.uint8)
        sheet[:] = np.median(border, axis=0)
        top = (height - image.shape[0]) // 2
        left = (width - image.shape[1]) // 2
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
        padded.append(sheet)
    return padded


def caption(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines below an image with their colours: prediction and truth, both scores, review, file."""
    predicted = row["prediction"]
    text = f"{predicted} {row['probability']:.2f}"
    colour = PLAIN
    label = row.get("label")
    if label is not None and pd.notna(label):
        text += f" · is {quoted(label)}"
        colour = RIGHT if label == predicted else WRONG
    lines = [(text, colour)]
    lines.append((f"or {row['runner_up']} {row['runner_up_probability']:.2f}", PLAIN))
    if "sampled_votes" in row:
        scores = f"votes {row['sampled_votes']:.0%}, joint {row['sampled_confidence']:.2f}"
        lines.append((f"{row['sampled_label']}: {scores}", PLAIN))
    reviewed = FOREIGN if row.get(OUT_OF_DISTRIBUTION, 0.0) > 1.0 else "to be reviewed"
    lines.append((reviewed, WRONG) if row["review"] else ("", PLAIN))
    return [*lines, (end_of(row["file"], LETTERS), PLAIN)]
