"""Where do several models err together, apart, and alone? The error analysis of paper 004 (3.4.1) for any runs."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors

if TYPE_CHECKING:
    from evaluation.error_analysis.calls import AlignedPredictions


class At(StrEnum):
    """Where images of two classes are called positive."""

    HALF = "0.5"
    OWN = "own"


Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Run folders or predictions.parquet; folds are pooled.")
]
Output = Annotated[Path, typer.Option(help="Folder of the tables and pictures; it must not hold anything yet.")]
Threshold = Annotated[At, typer.Option(help="At 0.5, or at what each run's own validation images choose (Youden).")]
Only = Annotated[list[str] | None, typer.Option(metavar="CLASS", help="Only images of this true class; repeatable.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
@report_user_errors()
def errors(runs: Runs, output: Output, threshold: Threshold = At.HALF, only: Only = None) -> None:
    """Count the test images that exactly k of n models miss, and what each model alone gets right or wrong.

    Folds of one experiment are one model. Every pair is compared by Cohen's kappa, disagreement and double fault;
    [bold]missed_by_all.png[/bold] shows the images that all models miss, drawn from the runs' thumbnails.

    [bold]python scripts/error_analysis.py outputs/*/subject-fold0-*/seed=0 --output outputs/errors[/bold]
    """
    # Imported here so that --help costs nothing.
    from common.predictions import read_predictions
    from common.runs.run import refuse_what_is_there, run_folders
    from evaluation.error_analysis.calls import gather
    from evaluation.intervals.grouping import group_runs

    refuse_what_is_there(output)
    folders = run_folders(runs)
    groups = group_runs([read_predictions(run) for run in runs], [str(folder) for folder in folders])
    answers = gather(groups, own=threshold is At.OWN, only=only or ())
    _write(output, answers, folders)


def _write(output: Path, answers: "AlignedPredictions", folders: list[Path]) -> None:
    from common.cli import console, say
    from evaluation.error_analysis import plots as errors_figures
    from evaluation.error_analysis import terminal as errors_tables
    from evaluation.error_analysis.agreement import agreement

    pairs = agreement(answers)
    errors_tables.write(output, answers)
    errors_figures.missed_bars(output / "missed.png", answers)
    errors_figures.agreement_maps(output / "agreement.png", answers, pairs)
    for table in errors_tables.printed(answers):
        console.print(table)
    _sheet(output, answers, folders)
    say(f"all of it: {output}")


def _sheet(output: Path, answers: "AlignedPredictions", folders: list[Path]) -> None:
    """Draw what all models miss, from whatever thumbnails the runs have; say what is missing."""
    from common.cli import say, warn
    from common.thumbnails import THUMBNAILS, read_pictures
    from evaluation.error_analysis.plots import LIMIT, missed_sheet, shown_on_sheet

    wanted = set(shown_on_sheet(answers)["image_id"])
    if not wanted:
        say("no model misses any image: no missed_by_all.png")
        return
    pictures: dict[str, bytes] = {}
    for folder in folders:
        if wanted - pictures.keys() and (folder / THUMBNAILS).is_file():
            found = read_pictures(folder / THUMBNAILS)
            pictures |= {image_id: found[image_id] for image_id in wanted & found.keys()}
    drawn = missed_sheet(output / "missed_by_all.png", answers, pictures)
    if drawn < min(len(wanted), LIMIT):
        if drawn:
            shown = f"missed_by_all.png shows {drawn}"
        else:
            shown = "no missed_by_all.png"
        warn(
            f"{len(wanted - pictures.keys())} of the {len(wanted)} images that all models miss, or most, have no "
            f"thumbnail: {shown}; they are made by python scripts/explain.py thumbnails {folders[0]}"
        )


if __name__ == "__main__":
    app()
