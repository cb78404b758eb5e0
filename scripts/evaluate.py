"""Evaluate finished runs: metrics with intervals, folds pooled, all pairs of several experiments."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors
from scripts._options import Method, Sensitivity, Threshold, several

if TYPE_CHECKING:
    from workflows.evaluate import EvaluationOptions


class Correction(StrEnum):
    """How McNemar's p-values of many pairs are corrected: Holm, Benjamini and Hochberg, or not at all."""

    HOLM = "holm"
    FDR_BH = "fdr_bh"
    NONE = "none"


class Source(StrEnum):
    """Whether costs are as said, or that multiple of them that is best on each run's validation cells."""

    FIXED = "fixed"
    VALIDATION = "validation"


Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Run folders or predictions.parquet; folds of one experiment are pooled."),
]
Against = Annotated[
    list[Path] | None,
    typer.Option(metavar="RUN...", help="Subtract these runs, evaluated on the same images."),
]
Csv = Annotated[Path | None, typer.Option(help="Add a row per metric to this table; the same again is replaced.")]
Label = Annotated[str, typer.Option(help="Name of the rows in the table.")]
Output = Annotated[Path | None, typer.Option(help="Write metrics.json, tables and pictures into this new folder.")]
Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap resamples.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="How often an interval should hold the truth.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the resampling.")]
Assign = Annotated[
    bool | None,
    typer.Option(
        help="Evaluate the joint assignment of the chromosomes of each cell, too.",
        show_default="where the runs have whole cells",
    ),
]
Costs = Annotated[Source, typer.Option(help="Where the costs of the assignment come from.")]
Cost = Annotated[float | None, typer.Option(min=0.0, help="Nats, see conf/train.yaml.", show_default=False)]
Bins = Annotated[int, typer.Option(min=2, help="Bins of the calibration error.")]
Release = Annotated[float, typer.Option(min=0.01, max=0.999, help="Triage: sensitivity that a release must keep.")]
Votes = Annotated[float, typer.Option(min=0.01, max=0.999, help="Triage: a person looks below this share of votes.")]
Coverage = Annotated[float, typer.Option(min=0.01, max=0.999, help="Triage: how often a set should hold the truth.")]
On = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE...", help="Evaluate on another data set: data=..., data_dir=..., as train.py takes them."
    ),
]
Mapped = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="THEIRS=OURS...", help="Its classes in the run's words; THEIRS= leaves one out."),
]
Submission = Annotated[Path | None, typer.Option(help="Write the calls of numbered images as a challenge wants them.")]
Codes = Annotated[
    list[str] | None,
    typer.Option(metavar="CLASS=CODE...", help="What the submission says.", show_default="1 positive, 0 the other"),
]
Corrected = Annotated[Correction, typer.Option(help="Of the p-values of the pairs of several experiments.")]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(cls=several("--against", "--on", "--map", "--codes"))
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
    correction: Corrected = Correction.HOLM,
    on: On = None,
    mapped: Mapped = None,
    submission: Submission = None,
    codes: Codes = None,
) -> None:
    """Evaluate finished runs by their predictions.

    Folds of one experiment are pooled, beside the mean over the folds. Runs of several experiments, seeds or
    protocols are evaluated each for itself, and all pairs of them are compared on the images that both have tested.
    Intervals come from a bootstrap that draws subjects where they are known, else images. Where the images are the
    chromosomes of whole cells, a second table has their joint assignment; two classes have a table of triage.

    [bold]python scripts/evaluate.py outputs/resnet50_cut_block5/subject-fold*/seed=0[/bold]

    [bold]python scripts/evaluate.py outputs/a/subject-fold*/seed=0 outputs/b/subject-fold*/seed=0 --output pair[/bold]

    [bold]python scripts/evaluate.py outputs/a/subject-fold*/seed=0 --against outputs/b/subject-fold*/seed=0[/bold]

    [bold]python scripts/evaluate.py outputs/a/subject-fold0-*/seed=0 --on data=folder data_dir=all_idb2
    --map blast_1=all healthy_0=hem --output outputs/external/a[/bold]
    """
    # Imported here so that --help costs nothing.
    from common.config.schema import EvaluationConfig, TriageConfig
    from workflows.evaluate import EvaluationOptions

    settings = EvaluationConfig(
        resamples=resamples,
        confidence=confidence,
        threshold=threshold.value,
        sensitivity=sensitivity,
        seed=seed,
        calibration_bins=bins,
        correction=correction.value,
        triage=TriageConfig(sensitivity=release_sensitivity, vote_share=vote_share, coverage=coverage),
    )
    fixed_costs = {"extra_cost": extra_cost, "missing_cost": missing_cost}
    options = EvaluationOptions(settings, assign, costs.value, fixed_costs, csv, label, output)
    if not (on or mapped or submission or codes):
        return _evaluate(runs, against or [], options)
    return _evaluate_elsewhere(runs, against or [], options, on or [], mapped or [], submission, codes or [])


def _evaluate(runs: list[Path], against: list[Path], options: "EvaluationOptions") -> None:
    """Evaluate runs on their own test images.

    Raises:
        UserError: A run is named twice, or see ``workflows.evaluate.report``.
    """
    from common.predictions import read_predictions
    from common.runs.run import run_folders
    from workflows.evaluate import report

    run_folders(against)
    names = [str(folder) for folder in run_folders(runs)]
    report([read_predictions(run) for run in runs], names, [read_predictions(run) for run in against], options)


def _evaluate_elsewhere(
    runs: list[Path],
    against: list[Path],
    options: "EvaluationOptions",
    on: list[str],
    mapped: list[str],
    submission: Path | None,
    codes: list[str],
) -> None:
    """Evaluate runs on another data set, see ``external.evaluate_external``."""
    from common.cli import heavy_imports
    from common.errors import UserError
    from common.runs.run import open_runs
    from workflows.external_request import ExternalRequest

    if against:
        raise UserError("--against beside --on: evaluate each on the other set first, then compare their folders")
    opened = open_runs(runs)
    request = ExternalRequest(on, mapped, options.output, options.csv, options.label, submission, codes)
    request.check(opened)
    with heavy_imports():
        from workflows.external import evaluate_external
    evaluate_external(opened, request, options.of)


if __name__ == "__main__":
    app()
