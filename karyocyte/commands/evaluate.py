"""Evaluate finished runs: metrics with intervals, folds pooled, all pairs of several experiments."""

from pathlib import Path
from typing import Annotated, Literal

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.runs.names import run_word

Part = Annotated[Literal["test", "validation"], Option(help="validation: the images that settings are chosen by.")]
Group = Annotated[
    str | None, Option(help="Evaluate only the images of this group, such as one of several sets of chromosomes.")
]
ResultsCsv = Annotated[Path | None, Option(help="With --paper: write the grades into this table.")]
EvaluatedRuns = Annotated[
    list[str] | None,
    Argument(
        parser=run_word,
        metavar="[RUN...] [KEY=VALUE...]",
        help="Run folders, names or predictions.parquet, or tables of scripts/predict.py; keys of evaluation.",
    ),
]
Output = Annotated[
    Path | None,
    Option(help="Write metrics.json, tables and pictures into this new folder; of several experiments tables."),
]
Paper = Annotated[
    list[str] | None,
    Option(help="Grade the figures that a paper prints, such as 004, or all; without runs by results/evidence."),
]


def evaluate(
    words: EvaluatedRuns = None,
    part: Part = "test",
    group: Group = None,
    csv: ResultsCsv = None,
    output: Output = None,
    paper: Paper = None,
) -> None:
    """Evaluate finished runs by their predictions.

    Folds of one experiment are pooled, beside the mean over the folds. Runs of several experiments, seeds or
    protocols are evaluated each for itself, and all pairs of them are compared on the images that both have tested.
    Intervals are over subjects where they are known, else over images. Where the images are the
    chromosomes of whole cells, a second table has their joint assignment.
    Settings are chosen on the validation part (--part validation), so that the test part is left for the last figure.
    They are the keys of evaluation in conf/train.yaml, such as resamples=200 or triage.accuracy=0.9; without
    assignment.enabled, cells are assigned jointly where the runs have whole ones.

    On other labelled images: scripts/predict.py writes a table (.parquet), which is named in place of a run. Images
    that the run was trained or validated on are left out; its validation images choose the threshold.

    With --paper, every printed figure has a grade by ours. Where the paper's split and printed settings were repeated
    with several seeds, the 95 % interval of the difference decides: [bold]reproduced[/bold] within 0.02,
    [bold]higher[/bold] or [bold]lower[/bold] where it excludes 0 (better or worse), else [bold]cannot tell[/bold].
    [bold]Other images[/bold] are another data set; [bold]not run[/bold] and [bold]other settings[/bold] say why.
    """
    options_by_name = locals()
    from karyocyte.workflows.evaluation.evaluate_request import EvaluateRequest

    request = EvaluateRequest.read(**options_by_name)  # before the imports of the evaluation, which take seconds
    if paper:
        from karyocyte.common.installed import loaded

        for show_grades in loaded("grades").values():
            show_grades(request.paths, request.papers, request.csv)
        return
    from karyocyte.workflows.evaluation.evaluate_experiments import evaluate_experiments

    evaluate_experiments(request)


app = program(
    evaluate,
    "python scripts/evaluate.py chromosomes/latest",
    "python scripts/evaluate.py vgg16_features resnet50_features resamples=2000",
    "python scripts/evaluate.py vgg16_mnist anet_c6_mnist --output compared",
    "python scripts/evaluate.py --paper 004 --csv graded.csv",
    "python scripts/evaluate.py new.parquet",
)
