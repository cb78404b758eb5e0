"""Judge finished runs by their predictions: metrics with intervals, folds pooled, paired differences."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors
from scripts.options import Method, Sensitivity, Threshold
from scripts.several import several

if TYPE_CHECKING:
    from rich.console import Console

    from common.predictions import Predictions
    from common.schema import AssignmentConfig, EvaluationConfig


class Source(StrEnum):
    """Whether costs are as said, or that multiple of them that is best on each run's validation cells."""

    FIXED = "fixed"
    VALIDATION = "validation"


Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Run folders or predictions.parquet; several are pooled.")
]
Against = Annotated[
    list[Path] | None,
    typer.Option(metavar="RUN...", help="Subtract these runs, judged on the same images."),
]
Csv = Annotated[Path | None, typer.Option(help="Add a row per metric to this table; the same again is replaced.")]
Label = Annotated[str, typer.Option(help="Name of the rows in the table.")]
Output = Annotated[Path | None, typer.Option(help="Write metrics.json, tables and pictures into this folder.")]
Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap resamples.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="How often an interval should hold the truth.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the resampling.")]
Assign = Annotated[
    bool | None,
    typer.Option(
        help="Judge the chromosomes of each cell placed jointly, too.", show_default="where the runs have whole cells"
    ),
]
Costs = Annotated[Source, typer.Option(help="Where the costs of the assignment come from.")]
Cost = Annotated[float | None, typer.Option(min=0.0, help="Nats, see conf/train.yaml.", show_default=False)]
Bins = Annotated[int, typer.Option(min=2, help="Bins of the calibration error.")]
Release = Annotated[float, typer.Option(min=0.01, max=0.999, help="Triage: sensitivity that a release must keep.")]
Votes = Annotated[float, typer.Option(min=0.01, max=0.999, help="Triage: a person looks below this share of votes.")]
Coverage = Annotated[float, typer.Option(min=0.01, max=0.999, help="Triage: how often a set should hold the truth.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=several("--against"))
@report_user_errors()
def evaluate(
    runs: Runs,
    against: Against = None,
    csv: Csv = None,
    label: Label = "",
    output: Output = None,
    resamples: Resamples = 1000,
    confidence: Confidence = 0.95,
    threshold: Threshold = Method.YOUDEN,
    sensitivity: Sensitivity = 0.95,
    seed: Seed = 0,
    assign: Assign = None,
    costs: Costs = Source.FIXED,
    extra_cost: Cost = None,
    missing_cost: Cost = None,
    bins: Bins = 10,
    release_sensitivity: Release = 0.99,
    vote_share: Votes = 0.8,
    coverage: Coverage = 0.9,
) -> None:
    """Judge finished runs by their predictions.

    Several runs are folds of one experiment: their test images are pooled, the mean over the folds stands beside.
    Intervals come from a bootstrap that draws subjects where they are known, else images. Where the images are the
    chromosomes of whole cells, a second table stands for the cells placed jointly; two classes have a table of triage.

    [bold]python scripts/evaluate.py outputs/resnet50_cut_block5/subject-fold*/seed=0[/bold]

    [bold]python scripts/evaluate.py outputs/a/subject-fold*/seed=0 --against outputs/b/subject-fold*/seed=0[/bold]
    """
    # Imported here so that --help costs nothing.
    from rich.console import Console

    from common.predictions import read_predictions
    from common.schema import EvaluationConfig, TriageConfig
    from evaluation.judge import judge_runs, write_files
    from evaluation.records import append_rows, rows_of
    from evaluation.tables import table

    ours, theirs = [read_predictions(run) for run in runs], [read_predictions(run) for run in against or []]
    settings = EvaluationConfig(
        resamples=resamples,
        confidence=confidence,
        threshold=threshold.value,
        sensitivity=sensitivity,
        seed=seed,
        calibration_bins=bins,
        triage=TriageConfig(sensitivity=release_sensitivity, vote_share=vote_share, coverage=coverage),
        assignment=_assignment(ours, assign, costs, {"extra_cost": extra_cost, "missing_cost": missing_cost}),
    )
    console = Console()
    judgement = judge_runs(ours, settings)
    console.print(table(judgement))
    rows = rows_of(judgement, label)
    if theirs:
        rows += _compare(ours, theirs, settings, label, console)
    if csv:
        append_rows(csv, rows)
    if output:
        write_files(output, judgement, ours, settings)


def _compare(
    ours: list["Predictions"], theirs: list["Predictions"], settings: "EvaluationConfig", label: str, console: "Console"
) -> list[dict]:
    """Print the paired differences, ours minus theirs, and return their rows for a table."""
    from evaluation.comparison import compare
    from evaluation.records import rows_of_comparison
    from evaluation.tables import difference_table

    comparison = compare(ours, theirs, settings)
    console.print(difference_table(comparison))
    return rows_of_comparison(comparison, label)


def _assignment(
    runs: list["Predictions"], assign: bool | None, costs: Source, said: dict[str, float | None]
) -> "AssignmentConfig":
    """Whether and how cells are placed; where nothing is said of it, the runs decide.

    Raises:
        UserError: Costs are said beside --no-assign.
    """
    from common.errors import UserError
    from common.schema import AssignmentConfig
    from evaluation.cells import assignment_refusal

    known = {name: cost for name, cost in said.items() if cost is not None}
    says_how = bool(known) or costs is Source.VALIDATION
    if says_how and assign is False:
        raise UserError("--no-assign beside the costs of an assignment: leave out the one or the other")
    # Who says how cells are placed wants them placed, and is told where they cannot be.
    asked = True if says_how else assign
    enabled = asked if asked is not None else assignment_refusal(runs) is None
    return AssignmentConfig(enabled=enabled, costs=costs.value, **known)


if __name__ == "__main__":
    app()
