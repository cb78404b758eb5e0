"""Error analysis of several models: tables, plots and the images that all models miss."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Group as Tables

from karyocyte.common.cli import console, warn
from karyocyte.common.files import write_csv
from karyocyte.common.text import quoted
from karyocyte.evaluation.comparison.common_errors import (
    ALL,
    AlignedPredictions,
    align_groups,
    lone_models,
    missed_by_class,
    missed_counts,
    misses,
    predictions_by_model,
)
from karyocyte.evaluation.intervals.grouping import Group
from karyocyte.evaluation.pages.thumbnails import decode, read_pictures
from karyocyte.evaluation.plots.plots import COLOURS, canvas
from karyocyte.evaluation.sections.examples import PLAIN, WRONG, draw_sheet, end_of
from karyocyte.evaluation.tables.renderers import frame_table
from karyocyte.evaluation.types.formats import interval
from karyocyte.runs.run import Run

COLUMNS = 6  # pictures in a row
SHEET = "missed_by_all.png"
LIMIT = 36  # pictures on a sheet
LETTERS = 34  # of a line below a picture
WRAPPED = 118  # letters of a line of the key


def analyse_errors(groups: Sequence[Group], folder: Path) -> None:
    """Write tables and plots of the errors of at least two experiments into a folder, and print the tables."""
    models = align_groups(groups)
    console.print(missed_table(models), accuracy_table(models), sep="")
    image_ids = set(most_missed(models)["image_id"])
    pictures: dict[str, bytes] = {}
    for run in (Run(Path(name)) for group in groups for name in group.names):
        if image_ids - pictures.keys() and run.thumbnails.is_file():
            thumbnails = read_pictures(run.thumbnails)
            pictures |= {image_id: thumbnails[image_id] for image_id in image_ids & thumbnails.keys()}
    write_tables(folder, models)
    missed_bars(folder / "missed.png", models)
    drawn = missed_sheet(folder / SHEET, models, pictures)
    if drawn < min(len(image_ids), LIMIT):
        warn(
            f"{len(image_ids - pictures.keys())} of the {len(image_ids)} images that all models miss, or most, have no "
            f"thumbnail: {SHEET} has {drawn}; a training writes them, with evaluation.thumbnails above 0"
        )


def write_tables(folder: Path, models: AlignedPredictions) -> None:
    """Write missed.csv, missed_counts.csv and alone.csv."""
    images = misses(models)
    images["right"] = images["right"].map("; ".join)
    counts = missed_counts(models)
    counts.insert(0, "true_class", ALL)
    tables = {
        "missed": images.merge(predictions_by_model(models), on="image_id"),
        "missed_counts": pd.concat([counts, missed_by_class(models)], ignore_index=True),
        "alone": lone_models(models),
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table, "%.6g")


def missed_table(models: AlignedPredictions) -> Tables:
    """Return the number of images that exactly k models miss."""
    counts = missed_counts(models)
    frame = counts[["k", "images"]].copy()
    frame["share (95 %)"] = _intervals(counts, "share")
    frame["if independent"] = counts["independent"].map("{:,.1f}".format)
    if len(models.classes) == 2:
        by_class = missed_by_class(models).pivot(index="k", columns="true_class", values="images")
        for name in by_class:
            frame[f"is {quoted(name)}"] = by_class[name]
    lines = []
    if pd.Series(models.subjects).dropna().duplicated().any():
        lines.append("exact intervals; images of one subject are not independent, so they are too narrow")
    return frame_table(frame, f"images missed by exactly k of {len(models.models)} models", notes=lines)


def accuracy_table(models: AlignedPredictions) -> Tables:
    """Return the accuracy of each model, and the images that it alone gets right or wrong."""
    rows = lone_models(models)
    frame = rows[["model", "right"]].copy()
    frame.insert(0, "", range(1, len(models.models) + 1))
    frame["accuracy (95 %)"] = _intervals(rows, "accuracy")
    frame["right alone"] = rows["right_alone"]
    frame["wrong alone"] = rows["wrong_alone"]
    return frame_table(frame, f"each model, of {len(models.labels):,} images")


def _intervals(rows: pd.DataFrame, value: str) -> list[str]:
    return list(map(interval, rows[value], rows["low"], rows["high"]))


def missed_bars(path: Path, models: AlignedPredictions) -> None:
    """Draw how many images exactly k models miss, by true class where there are two, and the number by chance."""
    counts = missed_counts(models)
    parts = counts[["images"]].rename(columns={"images": "observed"})
    if len(models.classes) == 2:
        parts = missed_by_class(models).pivot(index="k", columns="true_class", values="images")
        parts = parts[list(models.rows_by_class())].rename(columns=lambda name: f"is {quoted(name)}")
    below = np.zeros(len(counts))
    with canvas(path, (max(6.4, 0.75 * len(models.models) + 2.6), 4.6), models.about) as figure:
        axis = figure.subplots()
        for colour, (label, images) in zip(COLOURS, parts.items(), strict=False):
            axis.bar(counts["k"] - 0.14, images, 0.52, bottom=below, color=colour, label=label)
            below += images.to_numpy()
        axis.bar(counts["k"] + 0.26, counts["independent"], 0.2, color="#C4C4C4", label="if they erred independently")
        for row in counts.itertuples():
            text = f"{row.images:,}\n{100 * row.share:.1f} %"
            place = (row.k - 0.14, row.images)
            axis.annotate(text, place, (0, 4), textcoords="offset points", ha="center", fontsize=9.5)
        axis.set(xlabel=f"missed by exactly k of {len(models.models)} models", ylabel="test images")
        axis.set_xticks(counts["k"])
        axis.margins(y=0.18)
        axis.grid(visible=False, axis="x")
        axis.legend()


def most_missed(models: AlignedPredictions) -> pd.DataFrame:
    """Return the rows of ``common_errors.misses`` that all models miss; where there are none, those that most miss.

    Empty where no model misses any image.
    """
    table = misses(models)
    return table[(table["missed_by"] == table["missed_by"].max()) & (table["missed_by"] > 0)]


def missed_sheet(path: Path, models: AlignedPredictions, pictures: Mapping[str, bytes]) -> int:
    """Draw the images of ``most_missed`` with each model's prediction and its probability; return their number.

    ``pictures`` are WebP bytes by image_id, see ``thumbnails``; without one of any image nothing is written.
    """
    rows = most_missed(models)
    drawn = rows[rows["image_id"].isin(pictures.keys())].head(LIMIT)
    if drawn.empty:
        return 0
    key = " · ".join(f"{number}\xa0{name}" for number, name in enumerate(models.models, start=1))
    heading = "\n".join([_heading(models, rows, len(drawn)), *textwrap.wrap(key, WRAPPED)])
    places = pd.Series(range(len(models.image_ids)), index=models.image_ids)
    strip = [(decode(pictures[row.image_id]), _caption(models, places[row.image_id])) for row in drawn.itertuples()]
    draw_sheet(path, models.about, [(heading, strip)], COLUMNS, 2.35)
    return len(drawn)


def _heading(models: AlignedPredictions, rows: pd.DataFrame, drawn: int) -> str:
    count = len(models.models)
    most = int(rows["missed_by"].iloc[0])
    heading = f"missed by all {count} models"
    if most < count:
        heading = f"no image is missed by all: these by {most} of {count}"
    part = f"{len(rows):,} images"
    if drawn < len(rows):
        part = f"{drawn} of {part}"
    return f"{heading}, {part}, the least probability of the truth first; predictions with their probabilities"


def _caption(models: AlignedPredictions, place: int) -> list[tuple[str, str]]:
    """Lines with their colours: the truth, each model's prediction with its probability, the image."""
    predictions = []
    for model, predicted in enumerate(models.predicted[:, place]):
        probability = models.probabilities[model, place, predicted]
        predictions.append(f"{model + 1}:\xa0{models.classes[predicted]}\xa0{probability:.2f}")
    lines = [(f"is {quoted(models.classes[models.labels[place]])}", PLAIN)]
    lines.extend((line, WRONG) for line in textwrap.wrap("  ".join(predictions), LETTERS, break_long_words=False))
    return [*lines, (end_of(models.image_ids[place], LETTERS), "#888888")]
