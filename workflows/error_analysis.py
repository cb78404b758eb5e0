"""Error analysis of several models: tables, plots and the images that all models miss."""

from collections.abc import Sequence
from pathlib import Path

from common.cli import console, say, warn
from common.runs.run import Run
from common.thumbnails import read_pictures
from evaluation.error_analysis.agreement import gather
from evaluation.error_analysis.plots import LIMIT, agreement_maps, missed_bars, missed_sheet, most_missed
from evaluation.error_analysis.terminal import accuracy_table, missed_table, pairs_table, write_tables
from evaluation.intervals.grouping import group_runs


def analyse_errors(runs: Sequence[Run], output: Path, own_thresholds: bool, only: Sequence[str]) -> None:
    """Write tables and plots, and print the tables.

    Args:
        runs: Runs of at least two experiments, all folds of each.
        output: The new folder.
        own_thresholds: Predict at the threshold that each run's validation images choose, not at 0.5.
        only: Keep the images of these true classes; empty: all.
    """
    groups = group_runs([run.predictions for run in runs], [str(run.folder) for run in runs])
    models = gather(groups, own_thresholds, only)
    write_tables(output, models)
    missed_bars(output / "missed.png", models)
    agreement_maps(output / "agreement.png", models)
    console.print(missed_table(models), accuracy_table(models), pairs_table(models), sep="")
    sheet = output / "missed_by_all.png"
    image_ids = set(most_missed(models)["image_id"])
    pictures: dict[str, bytes] = {}
    for run in runs:
        if image_ids - pictures.keys() and run.thumbnails.is_file():
            thumbnails = read_pictures(run.thumbnails)
            pictures |= {image_id: thumbnails[image_id] for image_id in image_ids & thumbnails.keys()}
    drawn = missed_sheet(sheet, models, pictures)
    if not image_ids:
        say(f"no model misses any image: no {sheet.name}")
    if drawn < min(len(image_ids), LIMIT):
        consequence = f"{sheet.name} shows {drawn}" if drawn else f"no {sheet.name}"
        warn(
            f"{len(image_ids - pictures.keys())} of the {len(image_ids)} images that all models miss, or most, have no "
            f"thumbnail: {consequence}; python scripts/explain.py thumbnails {runs[0].folder} makes them"
        )
    say(f"written to {output}")
