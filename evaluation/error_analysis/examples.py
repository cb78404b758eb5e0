"""Example images with their predictions: the most certain correct and wrong ones, and the most uncertain."""

from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from common.errors import UserError
from common.predictions import Predictions
from common.thumbnails import THUMBNAILS, write_pictures
from evaluation.core.plots import canvas
from evaluation.error_analysis.misclassified import wrong_cases
from evaluation.metrics.classification import call

COLUMNS = 8
WRONG_COLUMNS = 4  # larger pictures, to see what misled the model
WRONG_ROWS = 3
LETTERS = 40
DPI = 100  # photographs make large files
RIGHT = "#009E73"
WRONG = "#D55E00"
PLAIN = "#444444"
FEW_CLASSES = 4  # up to here each class has its own examples
OF_MANY = 4  # examples of each kind for more classes
SUREST_RIGHT = "right"
SUREST_WRONG = "wrong"
DOUBTFUL = "doubtful"
WORDS = {SUREST_RIGHT: "surest right", SUREST_WRONG: "surest wrong", DOUBTFUL: "most doubtful"}


def galleries(folder: Path, predictions: Predictions, images: np.ndarray, rows: np.ndarray) -> None:
    """Draw ``examples.png`` and, where a prediction is wrong, ``wrong.png``; arguments as ``examples``."""
    examples(folder / "examples.png", predictions, images, rows)
    wrong_examples(folder / "wrong.png", predictions, images, rows)


def examples(path: Path, predictions: Predictions, images: np.ndarray, rows: np.ndarray) -> None:
    """Draw up to eight images each: correct with the least uncertainty, wrong with the least, most uncertain.

    Args:
        path: PNG to write.
        predictions: Of the test part; rows without a label are left out.
        images: uint8, shape (M, H, W, 3) RGB; only the drawn ones are read, so it may lie on disk.
        rows: Index into ``images`` of each row of ``predictions``, int64, shape (N,).
    """
    predicted = call(predictions.probabilities, predictions.positive_index)
    right = ranked(predictions, SUREST_RIGHT)
    wrong = ranked(predictions, SUREST_WRONG)
    strips = {
        f"correct, the most certain of {len(right)}": right,
        f"wrong, the most certain of {len(wrong)}": wrong,
        "most uncertain": ranked(predictions, DOUBTFUL),
    }
    strips = {title: strip[:COLUMNS] for title, strip in strips.items() if strip}
    height = 0.8 + 2.15 * len(strips)  # inches: the title, and per strip a heading, the images and two lines
    spaces = {"left": 0.01, "right": 0.99, "top": 1 - 0.8 / height, "bottom": 0.5 / height}
    spaces |= {"wspace": 0.05, "hspace": 0.6}
    with canvas(path, (1.35 * COLUMNS, height), predictions.about, layout="none", dpi=DPI) as figure:
        grid = figure.subplots(len(strips), COLUMNS, squeeze=False, gridspec_kw=spaces)
        for axis in grid.flat:
            axis.set_axis_off()
        for axes, (title, strip) in zip(grid, strips.items(), strict=True):
            axes[0].set_title(title, fontsize=10.5, loc="left")
            for axis, row in zip(axes, strip, strict=False):
                _draw_example(axis, predictions, images[rows[row]], row, int(predicted[row]))


def wrong_examples(path: Path, predictions: Predictions, images: np.ndarray, rows: np.ndarray) -> None:
    """Draw the most certain wrong predictions of ``wrong_cases`` with both scores; nothing without one.

    Args:
        path: PNG to write.
        predictions: Of the test part.
        images: See ``examples``.
        rows: See ``examples``.
    """
    table = wrong_cases(predictions)
    cases = list(table.head(WRONG_COLUMNS * WRONG_ROWS).itertuples())
    if not cases:
        return
    lines = -(-len(cases) // WRONG_COLUMNS)
    height = 1.2 + 3.3 * lines
    spaces = {"left": 0.01, "right": 0.99, "top": 1 - 1.1 / height, "bottom": 0.75 / height}
    spaces |= {"wspace": 0.06, "hspace": 0.32}
    with canvas(path, (2.7 * WRONG_COLUMNS, height), predictions.about, layout="none", dpi=DPI) as figure:
        grid = figure.subplots(lines, WRONG_COLUMNS, squeeze=False, gridspec_kw=spaces)
        grid[0, 0].set_title(f"wrong, the most certain {len(cases)} of {len(table)}", fontsize=10.5, loc="left")
        for axis in grid.flat:
            axis.set_axis_off()
        for axis, case in zip(grid.flat, cases, strict=False):
            axis.imshow(images[rows[case.row]])
            for place, (text, colour) in enumerate(zip(_caption(case), (WRONG, PLAIN, PLAIN), strict=True)):
                _write_below(axis, text, -0.02 - 0.075 * place, colour, 9.5)


def _caption(case: Any) -> tuple[str, str, str]:
    """Three lines: the predicted class with its scores, the true class, and the image."""
    if case.vote_share is None:
        predicted = f"{case.predicted} {case.probability:.2f}"
    else:
        predicted = f"{case.predicted} {case.mean_probability:.2f}, {case.vote_share:.0%} of votes"
    truth = f"is {case.actual}"
    if isinstance(case.kind, str):
        truth += f" ({case.kind.replace('_', ' ')})"
    image = case.image_id
    if len(image) > LETTERS:
        image = f"…{image[1 - LETTERS :]}"  # the end tells images apart
    return predicted, shorten(truth, LETTERS, placeholder=" …"), image


def _draw_example(axis: Axes, predictions: Predictions, image: np.ndarray, row: int, predicted: int) -> None:
    """Draw an image; below it the predicted class with its probability, and the truth."""
    axis.imshow(image)
    truth = predictions.frame["label"].iloc[row]
    name = predictions.classes[predicted]
    colour = RIGHT if name == truth else WRONG
    _write_below(axis, f"{name} {predictions.probabilities[row, predicted]:.2f}", -0.04, colour, 9)
    _write_below(axis, f"is {truth}", -0.20, PLAIN, 9)


def _write_below(axis: Axes, text: str, height: float, colour: str, size: float) -> None:
    axis.text(0.5, height, text, transform=axis.transAxes, ha="center", va="top", fontsize=size, color=colour)


def showcase(test: Predictions) -> list[tuple[int, str]]:
    """Choose, of each class, the most certain correct and wrong prediction and the most uncertain one.

    Of more than four classes: four of each kind over all classes, of different classes as far as there are.

    Args:
        test: Predictions of one part; rows without a label are left out.

    Returns:
        Row and reason (a value of WORDS), class by class; no row twice.

    Raises:
        UserError: No image has a label.
    """
    labels = test.labels
    if not (labels >= 0).any():
        raise UserError("no test image has a label: say --samples, --all or --images")
    chosen: dict[int, str] = {}
    if len(test.classes) > FEW_CLASSES:
        for which, words in WORDS.items():
            rows = [row for row in ranked(test, which) if row not in chosen]
            chosen |= dict.fromkeys(_different_classes_first(rows, labels)[:OF_MANY], words)
        return list(chosen.items())
    for index in range(len(test.classes)):
        for which, words in WORDS.items():
            rows = [row for row in ranked(test, which) if row not in chosen and labels[row] == index]
            chosen |= dict.fromkeys(rows[:1], words)
    return list(chosen.items())


def ranked(test: Predictions, which: str) -> list[int]:
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


def _different_classes_first(rows: list[int], labels: np.ndarray) -> list[int]:
    """Put the first row of each class before all others."""
    firsts = {labels[row]: row for row in reversed(rows)}
    is_first = set(firsts.values())
    return sorted(rows, key=lambda row: row not in is_first)


def write_thumbnails(folder: Path, predictions: Predictions, images: Any, rows: np.ndarray, size: int) -> None:
    """Write ``thumbnails.parquet`` into a run's folder.

    Args:
        folder: The run's.
        predictions: Of the test part.
        images: Prepared images by index, uint8 RGB, shape (H, W, 3): an array, or an object that reads them.
        rows: Index into ``images`` of each row of ``predictions``, int64, shape (N,).
        size: Longest side in pixels; 0 writes nothing.
    """
    if size:
        write_pictures(folder / THUMBNAILS, predictions.frame["image_id"], (images[row] for row in rows), size)
