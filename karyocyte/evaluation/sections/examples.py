"""Which test images are shown: the most certain correct and wrong ones, and the most uncertain."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from karyocyte.evaluation.metrics.classification import call
from karyocyte.runs.predictions import Predictions

# An image, and the lines of text below it with their colours.
Example = tuple[np.ndarray, Sequence[tuple[str, str]]]
DPI = 100  # photographs make large files
RIGHT = "#009E73"
WRONG = "#D55E00"
PLAIN = "#444444"
LINE = 13  # points from one line below an image to the next
HEADING = 0.19  # inches of a line of a heading
TITLED = 0.02  # share of a figure above its title
SUREST_RIGHT = "right"
SUREST_WRONG = "wrong"
DOUBTFUL = "doubtful"
WORDS = {SUREST_RIGHT: "surest right", SUREST_WRONG: "surest wrong", DOUBTFUL: "most doubtful"}


def draw_sheet(
    path: Path, about: dict[str, Any], strips: Sequence[tuple[str, Sequence[Example]]], columns: int, width: float
) -> None:
    """Draw images in rows, with lines of text below each.

    Args:
        path: PNG to write.
        about: Facts of the run, for the title.
        strips: Images with their heading, of one line or more; several strips have one row each.
        columns: Images in a row.
        width: Of a column, inches.
    """
    pictures, captions = zip(*chain.from_iterable(strip for _, strip in strips), strict=True)
    rows = max(len(strips), -(-len(pictures) // columns))
    # In inches: every picture gets the room of the tallest, so that the captions of a row are level.
    tallest = max(np.divide(*picture.shape[:2]) for picture in pictures)
    picture = 0.96 * width * min(max(tallest, 0.5), 1.4)
    below = LINE / 72 * max(map(len, captions)) + 0.2
    headings = HEADING * (1 + max(heading.count("\n") for heading, _ in strips)) + 0.1
    between = below + headings * (len(strips) > 1)
    content = rows * picture + (rows - 1) * between + below
    height = (content + headings + 0.45) / (1 - TITLED)
    from karyocyte.evaluation.plots.plots import canvas  # here: matplotlib costs seconds

    grid = {"left": 0.01, "right": 0.99, "top": content / height, "bottom": below / height}
    grid |= {"wspace": 0.06, "hspace": between / picture}
    with canvas(path, (width * columns, height), about, layout="none", dpi=DPI) as figure:
        axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=grid)
        for axis in axes.flat:
            axis.set_axis_off()
        for number, (heading, strip) in enumerate(strips):
            top = axes[number, 0].get_position().y1 + 0.06 / height
            figure.text(0.01, top, heading, fontsize=10.5, va="bottom", linespacing=1.35)
            for axis, (image, caption) in zip(axes[number:].flat, strip, strict=False):
                axis.set_anchor("S")
                axis.imshow(image)
                for line, (text, colour) in enumerate(caption):
                    style = {"ha": "center", "va": "top", "fontsize": 9, "color": colour}
                    offset = (0, -3 - LINE * line)
                    axis.annotate(text, (0.5, 0.0), offset, "axes fraction", textcoords="offset points", **style)


def end_of(name: str, letters: int) -> str:
    """Return a name, or so many letters of its end: the end tells files apart."""
    return name if len(name) <= letters else f"…{name[1 - letters :]}"


def showcase(test: Predictions, number: int = 4) -> list[tuple[int, str]]:
    """Choose the most certain right and wrong predictions and the most uncertain ones, so many of each kind.

    The right ones are of different classes as far as there are.

    Returns:
        Row and reason (a value of WORDS); no row twice, none without a label.
    """
    labels = test.labels
    chosen: dict[int, str] = {}
    for which, words in WORDS.items():
        rows = [row for row in ranked_rows(test, which) if row not in chosen]
        if which == SUREST_RIGHT:  # the first row of each class comes before all others
            firsts = np.sort(np.unique(labels[rows], return_index=True)[1])
            rows = [*np.take(rows, firsts), *np.delete(rows, firsts)]
        chosen |= dict.fromkeys(map(int, rows[:number]), words)
    return list(chosen.items())


def ranked_rows(test: Predictions, which: str) -> list[int]:
    """Return rows of labelled images: "right" or "wrong", the most certain first, or all, the "doubtful" first."""
    labels = test.labels
    uncertainty = test.frame["uncertainty"].to_numpy()
    selected = labels >= 0
    if which == DOUBTFUL:
        order = np.argsort(-uncertainty, kind="stable")
    else:
        order = np.argsort(uncertainty, kind="stable")
        correct = call(test.probabilities, test.positive_index) == labels
        selected &= correct == (which == SUREST_RIGHT)
    return [int(row) for row in order if selected[row]]
