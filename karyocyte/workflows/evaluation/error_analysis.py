"""Errors of several models on the same images (paper 004, 3.4.1): tables, a plot, and images that all models miss."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from karyocyte.common.cli import console, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.common.text import quoted
from karyocyte.evaluation.comparison.pairwise import aligned_pair
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.intervals.grouping import Group
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.pages.thumbnails import decode, read_pictures
from karyocyte.evaluation.plots.plots import COLOURS, canvas
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.sections.examples import PLAIN, WRONG, draw_sheet, end_of
from karyocyte.evaluation.tables.renderers import frame_table
from karyocyte.evaluation.types.formats import interval
from karyocyte.runs.run import Run

ALL = "(every class)"  # in column ``true_class``; "all" is a class of C-NMC
CALLED, PROBABILITY = "called/", "prob_true/"  # before the name of a model: its prediction, what it gives the truth
CONFIDENCE = 0.95
COLUMNS = 6  # pictures in a row
SHEET = "missed_by_all.png"
LIMIT = 36  # pictures on a sheet
LETTERS = 34  # of a line below a picture
WRAPPED = 118  # letters of a line of the key
NOTE = "exact intervals; those of images of one subject, which are not independent, are too narrow"


def analyse_errors(groups: Sequence[Group], folder: Path) -> None:
    """Write tables and plots of the errors of at least two experiments into a folder, and print how many miss what."""
    models = [group.label for group in groups]
    images = missed_images(groups)
    counts = missed_counts(images, models)
    write_csv(folder / "missed.csv", images, "%.6g")
    write_csv(folder / "missed_counts.csv", counts, "%.6g")
    counts = counts[counts["true_class"] == ALL]
    shown = counts[["k", "images"]].copy()
    shown["share (95 %)"] = list(map(interval, counts["share"], counts["low"], counts["high"]))
    shown["if independent"] = counts["independent"].map("{:,.1f}".format)
    console.print(frame_table(shown, f"images missed by exactly k of {len(models)} models", notes=[NOTE]))
    about = {**pool(groups[0].runs).about, "name": f"{len(models)} models"}
    missed_bars(folder / "missed.png", counts, about)
    most = images[(images["missed_by"] == images["missed_by"].max()) & (images["missed_by"] > 0)]
    drawn = missed_sheet(folder / SHEET, most, models, _pictures(groups, set(most["image_id"])), about)
    if drawn < min(len(most), LIMIT):
        warn(
            f"of the {len(most)} images that all models miss, or most, {SHEET} has {drawn}: the others have no "
            "thumbnail; a training writes them, with evaluation.thumbnails above 0"
        )


def missed_images(groups: Sequence[Group]) -> pd.DataFrame:
    """List the labelled test images of several experiments, each a run or its folds pooled.

    Returns:
        ``image_id``, ``label``, ``subject``, ``missed_by`` (0 to M), ``right`` (the models that are right), and of each
        model its prediction (``called/<model>``) and its probability of the truth (``prob_true/<model>``); the most
        often missed first, among equals the one with the least mean probability of the truth.

    Raises:
        UserError: Fewer than two models; images, labels, subjects or classes that differ; or no labelled image.
    """
    if len(groups) < 2:
        raise UserError("errors are compared between models: name the runs of at least two")
    first = pool(groups[0].runs)
    images = first.frame[first.labels >= 0].sort_values("image_id", ignore_index=True)
    if images.empty:
        raise UserError("no labelled test image: nothing to count")
    images = images[["image_id", "label", "subject"]].assign(missed_by=0, right="")
    for group in groups:
        try:
            labelled = aligned_pair(first, pool(group.runs))[1]
        except UserError as error:
            raise UserError(f"{groups[0].label} and {group.label}: {error}") from error
        predicted = call(labelled.probabilities, labelled.positive_index)
        correct = predicted == labelled.labels
        images[f"{CALLED}{group.label}"] = np.array(labelled.classes, dtype=object)[predicted]
        images[f"{PROBABILITY}{group.label}"] = labelled.probabilities[np.arange(len(images)), labelled.labels]
        images["missed_by"] += ~correct
        images["right"] += np.where(correct, f"; {group.label}", "")
    images["right"] = images["right"].str.removeprefix("; ")
    means = images[[f"{PROBABILITY}{group.label}" for group in groups]].mean(axis=1)
    return images.iloc[np.lexsort((means, -images["missed_by"]))].reset_index(drop=True)


def missed_counts(images: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Count the ``missed_images`` that exactly k of the M models miss, of every class (``ALL``) and of each.

    Returns:
        A row per ``true_class`` and k from 0 to M: ``images``, ``share`` (0 to 1), ``low`` and ``high`` (exact, 95 %),
        and ``independent``: the expected number if the models erred as often as they do, but independently.
    """
    tables = []
    for name, rows in [(ALL, images), *images.groupby("label")]:
        counts = np.bincount(rows["missed_by"], minlength=len(models) + 1)
        independent = np.ones(1)
        for model in models:
            rate = (rows[f"{CALLED}{model}"] != rows["label"]).mean()
            independent = np.convolve(independent, [1 - rate, rate])
        table = pd.DataFrame([share(count, len(rows), CONFIDENCE) for count in counts])
        table = table.rename(columns={"value": "share"})[["share", "low", "high"]]
        table.insert(0, "images", counts)
        table.insert(0, "k", range(len(counts)))
        tables.append(table.assign(true_class=name, independent=independent * len(rows)))
    joined = pd.concat(tables, ignore_index=True)
    return joined[["true_class", *joined.columns.drop("true_class")]]


def missed_bars(path: Path, counts: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw ``missed_counts`` of one class, or of every one: how many images exactly k models miss, and by chance."""
    with canvas(path, (max(6.4, 0.75 * len(counts) + 1.85), 4.6), about) as figure:
        axis = figure.subplots()
        bars = axis.bar(counts["k"] - 0.14, counts["images"], 0.52, color=COLOURS[0], label="observed")
        axis.bar_label(bars, [f"{row.images:,}\n{row.share:.1%}" for row in counts.itertuples()], padding=4)
        axis.bar(counts["k"] + 0.26, counts["independent"], 0.2, color="#C4C4C4", label="if they erred independently")
        axis.set(xlabel=f"missed by exactly k of {len(counts) - 1} models", ylabel="test images", xticks=counts["k"])
        axis.margins(y=0.18)
        axis.grid(visible=False, axis="x")
        axis.legend()


def missed_sheet(
    path: Path, most: pd.DataFrame, models: Sequence[str], pictures: Mapping[str, bytes], about: dict[str, Any]
) -> int:
    """Draw the first images that most models miss with each model's prediction; return how many have a picture.

    ``pictures`` are WebP bytes by image_id, see ``thumbnails``; without one of any image nothing is written.
    """
    drawn = most[most["image_id"].isin(pictures.keys())].head(LIMIT)
    if drawn.empty:
        return 0
    heading = (
        f"missed by {most['missed_by'].iloc[0]} of {len(models)} models, {len(drawn)} of {len(most):,} images, the "
        "least probability of the truth first; predictions with the probability of the truth"
    )
    key = " · ".join(f"{number}\xa0{name}" for number, name in enumerate(models, start=1))
    strip = [(decode(pictures[row["image_id"]]), _caption(row, models)) for _, row in drawn.iterrows()]
    draw_sheet(path, about, [("\n".join([heading, *textwrap.wrap(key, WRAPPED)]), strip)], COLUMNS, 2.35)
    return len(drawn)


def _caption(row: pd.Series, models: Sequence[str]) -> list[tuple[str, str]]:
    """Lines with their colours: the truth, each model's prediction with the probability of the truth, the image."""
    predictions = []
    for number, model in enumerate(models, start=1):
        predictions.append(f"{number}:\xa0{row[f'{CALLED}{model}']}\xa0{row[f'{PROBABILITY}{model}']:.2f}")
    lines = textwrap.wrap("  ".join(predictions), LETTERS, break_long_words=False)
    coloured = [(f"is {quoted(row['label'])}", PLAIN), *((line, WRONG) for line in lines)]
    return [*coloured, (end_of(row["image_id"], LETTERS), "#888888")]


def _pictures(groups: Sequence[Group], wanted: set[str]) -> dict[str, bytes]:
    """Return the thumbnails of images, of any run that has them."""
    pictures: dict[str, bytes] = {}
    for run in (Run(Path(name)) for group in groups for name in group.names):
        if wanted - pictures.keys() and run.thumbnails.is_file():
            thumbnails = read_pictures(run.thumbnails)
            pictures |= {image_id: thumbnails[image_id] for image_id in wanted & thumbnails.keys()}
    return pictures
