"""Error analysis of several models: tables, plots and the images that all models miss."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.cli import console, say, warn
from common.runs.run import Run
from common.thumbnails import read_pictures
from evaluation.error_analysis.agreement import AlignedPredictions, agreement, gather
from evaluation.error_analysis.plots import LIMIT, agreement_maps, missed_bars, missed_sheet, most_missed
from evaluation.error_analysis.terminal import accuracy_table, missed_table, pairs_table, write_tables
from evaluation.intervals.grouping import group_runs


@dataclass(frozen=True)
class ErrorAnalysisRequest:
    """Options of ``scripts/error_analysis.py``: runs of at least two experiments, all folds of each.

    ``own_thresholds`` predicts at the threshold that each run's validation images choose, not at 0.5; ``only`` keeps
    the images of these true classes (empty: all).
    """

    runs: tuple[Run, ...]
    output: Path
    own_thresholds: bool = False
    only: tuple[str, ...] = ()


def analyse_errors(request: ErrorAnalysisRequest) -> None:
    """Write tables and plots, and print the tables.

    Raises:
        UserError: See ``agreement.gather``.
    """
    runs = request.runs
    groups = group_runs([run.predictions for run in runs], [str(run.folder) for run in runs])
    models = gather(groups, request.own_thresholds, request.only)
    output = request.output
    write_tables(output, models)
    missed_bars(output / "missed.png", models)
    agreement_maps(output / "agreement.png", models, agreement(models))
    console.print(missed_table(models), accuracy_table(models), pairs_table(models), sep="")
    _draw_sheet(output / "missed_by_all.png", models, runs)
    say(f"written to {output}")


def _draw_sheet(path: Path, models: AlignedPredictions, runs: Sequence[Run]) -> None:
    """Draw the images that all models miss from the runs' thumbnails; warn of missing ones."""
    image_ids = set(most_missed(models)["image_id"])
    if not image_ids:
        say(f"no model misses any image: no {path.name}")
        return
    pictures: dict[str, bytes] = {}
    for run in runs:
        if image_ids - pictures.keys() and run.thumbnails.is_file():
            thumbnails = read_pictures(run.thumbnails)
            pictures |= {image_id: thumbnails[image_id] for image_id in image_ids & thumbnails.keys()}
    drawn = missed_sheet(path, models, pictures)
    if drawn < min(len(image_ids), LIMIT):
        consequence = f"{path.name} shows {drawn}" if drawn else f"no {path.name}"
        warn(
            f"{len(image_ids - pictures.keys())} of the {len(image_ids)} images that all models miss, or most, have no "
            f"thumbnail: {consequence}; python scripts/explain.py thumbnails {runs[0].folder} makes them"
        )
