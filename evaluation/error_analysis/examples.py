"""Test images beside what the model said of them: the clearly right, the wrong and the doubtful."""

from pathlib import Path
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes

from common.errors import UserError
from common.predictions import Predictions
from common.thumbnails import THUMBNAILS, write_pictures
from evaluation.core.plots import canvas
from evaluation.error_analysis.misclassified import wrong_cases
from evaluation.metrics.classification import call

COLUMNS = 8
# larger: what misled the model is looked for
WRONG_COLUMNS = 4
WRONG_ROWS = 3
LETTERS = 40
DPI = 100  # photographs make large files
RIGHT = "#009E73"
WRONG = "#D55E00"
PLAIN = "#444444"


def galleries(folder: Path, predictions: Predictions, images: np.ndarray, rows: np.ndarray) -> None:
    """Draw ``examples.png`` and, where a call is wrong, ``wrong.png``; arguments as ``examples``."""
    examples(folder / "examples.png", predictions, images, rows)
    wrong_examples(folder / "wrong.png", predictions, images, rows)


def examples(path: Path, predictions: Predictions, images: np.ndarray, rows: np.ndarray) -> None:
    """Draw up to eight images each: rightly called with the least uncertainty, wrongly called, most uncertain.

    Args:
        path: PNG to write.
        predictions: Of the test part; rows without a label are left out.
        images: uint8, shape (M, H, W, 3) RGB; only what is drawn is read, so it may lie on disk.
        rows: Where in ``images`` the image of each row of ``predictions`` is, int64, shape (N,).
    """
    labels = predictions.labels
    uncertainty = predictions.frame["uncertainty"].to_numpy()
    called = call(predictions.probabilities, predictions.positive_index)
    known = labels >= 0
    right = called == labels
    order = np.argsort(uncertainty, kind="stable")
    certain = [row for row in order if known[row] and right[row]]
    wrong = [row for row in order if known[row] and not right[row]]
    doubtful = [row for row in order[::-1] if known[row]]
    strips = {
        f"rightly called, the surest of {len(certain)}": certain,
        f"wrongly called, the surest of {len(wrong)}": wrong,
        "most uncertain": doubtful,
    }
    shown = {title: found[:COLUMNS] for title, found in strips.items() if found}
    height = 0.8 + 2.15 * len(shown)  # inches: the title, and per strip a heading, the images and two lines
    margins = {"left": 0.01, "right": 0.99, "top": 1 - 0.8 / height, "bottom": 0.5 / height}
    with canvas(path, (1.35 * COLUMNS, height), predictions.about, layout="none", dpi=DPI) as figure:
        grid = figure.subplots(
            len(shown), COLUMNS, squeeze=False, gridspec_kw={**margins, "wspace": 0.05, "hspace": 0.6}
        )
        for strip, (title, found) in zip(grid, shown.items(), strict=True):
            strip[0].set_title(title, fontsize=10.5, loc="left")
            for place, axis in enumerate(strip):
                axis.set_axis_off()
                if place < len(found):
                    _draw(axis, predictions, images[rows[found[place]]], found[place], int(called[found[place]]))


def wrong_examples(path: Path, predictions: Predictions, images: np.ndarray, rows: np.ndarray) -> None:
    """Draw the surest of the wrong calls with both scores, as ``wrong.wrong_cases`` lists them; nothing without one.

    Args:
        path: PNG to write.
        predictions: Of the test part.
        images: See ``examples``.
        rows: See ``examples``.
    """
    table = wrong_cases(predictions)
    shown = list(table.head(WRONG_COLUMNS * WRONG_ROWS).itertuples())
    if not shown:
        return
    lines = -(-len(shown) // WRONG_COLUMNS)
    height = 1.2 + 3.3 * lines
    margins = {"left": 0.01, "right": 0.99, "top": 1 - 1.1 / height, "bottom": 0.75 / height}
    with canvas(path, (2.7 * WRONG_COLUMNS, height), predictions.about, layout="none", dpi=DPI) as figure:
        grid = figure.subplots(
            lines, WRONG_COLUMNS, squeeze=False, gridspec_kw={**margins, "wspace": 0.06, "hspace": 0.32}
        )
        title = f"wrongly called, the surest {len(shown)} of {len(table)}"
        grid[0, 0].set_title(title, fontsize=10.5, loc="left")
        for axis, case in zip(grid.flat, [*shown, *[None] * (grid.size - len(shown))], strict=True):
            axis.set_axis_off()
            if case is not None:
                axis.imshow(images[rows[case.row]])
                for place, (text, colour) in enumerate(zip(_lines(case), (WRONG, PLAIN, PLAIN), strict=True)):
                    style = {"ha": "center", "va": "top", "fontsize": 9.5, "color": colour}
                    axis.text(0.5, -0.02 - 0.075 * place, text, transform=axis.transAxes, **style)


def _lines(case: tuple) -> tuple[str, str, str]:
    """What was called and how surely, what is true, and which image it is."""
    sure = f"{case.predicted} {case.probability:.2f}"
    if case.vote_share is not None:
        sure = f"{case.predicted} {case.mean_probability:.2f}, {case.vote_share:.0%} of votes"
    if isinstance(case.kind, str):
        kind = f" ({case.kind.replace('_', ' ')})"
    else:
        kind = ""
    # Of an image the end of its name tells more.
    if len(case.image_id) <= LETTERS:
        image = case.image_id
    else:
        image = f"…{case.image_id[1 - LETTERS :]}"
    return sure, shorten(f"is {case.actual}{kind}", LETTERS, placeholder=" …"), image


def _draw(axis: Axes, predictions: Predictions, image: np.ndarray, row: int, called: int) -> None:
    """One image; below it the called class with its probability, and the truth."""
    axis.imshow(image)
    truth = predictions.frame["label"].iloc[row]
    name = predictions.classes[called]
    share = predictions.probabilities[row, called]
    if name == truth:
        colour = RIGHT
    else:
        colour = WRONG
    axis.text(
        0.5, -0.04, f"{name} {share:.2f}", transform=axis.transAxes, ha="center", va="top", fontsize=9, color=colour
    )
    axis.text(0.5, -0.20, f"is {truth}", transform=axis.transAxes, ha="center", va="top", fontsize=9, color=PLAIN)


FEW_CLASSES = 4  # up to here each class has its own images
OF_MANY = 4  # of more classes: how many images of each kind
SUREST_RIGHT = "right"
SUREST_WRONG = "wrong"
DOUBTFUL = "doubtful"
WORDS = {SUREST_RIGHT: "surest right", SUREST_WRONG: "surest wrong", DOUBTFUL: "most doubtful"}


def showcase(test: Predictions) -> list[tuple[int, str]]:
    """Choose, of each class, the surest right call, the surest wrong one and the most doubtful.

    Of more than four classes: four of each kind over all classes, of different classes as far as there are.

    Args:
        test: Predictions of one part; rows without a label are left out.

    Returns:
        Row and why it is shown (a word of WORDS), class by class; no row twice.

    Raises:
        UserError: No image has a label.
    """
    if not (test.labels >= 0).any():
        raise UserError("no test image has a label: say --samples, --all or --images")
    many = len(test.classes) > FEW_CLASSES
    chosen: dict[int, str] = {}
    for members in [range(len(test.classes))] if many else [[index] for index in range(len(test.classes))]:
        for which, words in WORDS.items():
            found = [row for row in ranked(test, which) if row not in chosen and test.labels[row] in members]
            chosen |= dict.fromkeys(_of_different_classes(found, test.labels, OF_MANY) if many else found[:1], words)
    return list(chosen.items())


def ranked(test: Predictions, which: str) -> list[int]:
    """Return rows of labelled images: the "right" or "wrong" calls, the surest first, or all, the "doubtful" first."""
    labels = test.labels
    uncertainty = test.frame["uncertainty"].to_numpy()
    order = np.argsort(-uncertainty if which == DOUBTFUL else uncertainty, kind="stable")
    fits = labels >= 0
    if which != DOUBTFUL:
        right = call(test.probabilities, test.positive_index) == labels
        fits &= right if which == SUREST_RIGHT else ~right
    return [int(row) for row in order if fits[row]]


def _of_different_classes(rows: list[int], labels: np.ndarray, count: int) -> list[int]:
    seen: set[int] = set()
    firsts = [row for row in rows if not (labels[row] in seen or seen.add(labels[row]))]
    return [*firsts, *(row for row in rows if row not in firsts)][:count]


def write_thumbnails(folder: Path, predictions: Predictions, images: np.ndarray, rows: np.ndarray, size: int) -> None:
    """Write ``thumbnails.parquet`` into a run's folder.

    Args:
        folder: The run's.
        predictions: Of the test part.
        images: Prepared images, uint8, shape (M, H, W, 3) RGB; it may lie on disk.
        rows: Where in ``images`` the image of each row of ``predictions`` is, int64, shape (N,).
        size: Longest side in pixels; 0 writes nothing.
    """
    if size:
        pictures = (images[row] for row in rows)
        write_pictures(folder / THUMBNAILS, predictions.frame["image_id"], pictures, size)
