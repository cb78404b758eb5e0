"""Options of scripts/evaluate.py, and options that each take several words."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from karyocyte.commands.shared.program import HomeExpanded
from karyocyte.runs.names import run_word

Part = Annotated[
    Literal["test", "validation"],
    typer.Option(help="validation: the images that settings are chosen by; karyotypes are calibrated on them."),
]
Group = Annotated[
    str | None,
    typer.Option(help="Evaluate only the images of this group, such as one of several sets of chromosomes."),
]
ResultsCsv = Annotated[Path | None, typer.Option(help="Add a row per metric to this table, or replace it.")]
RowLabel = Annotated[str, typer.Option(help="Name of the rows in the table.")]
BatchNorm = Annotated[
    Literal["trained", "images"] | None,
    typer.Option(
        help="BatchNorm statistics of training, or of the new images: of all classes and one laboratory.",
        show_default="the run's inference.batchnorm",
    ),
]

EvaluatedRuns = Annotated[
    list[str] | None,
    typer.Argument(
        parser=run_word,
        metavar="[RUN...] [KEY=VALUE...]",
        help="Run folders, names or predictions.parquet, the folds of one experiment are pooled; keys of evaluation.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Write metrics.json, tables and pictures into this new folder; of several experiments the ROC curves, and "
        "the persons whom nobody would look at."
    ),
]
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

Errors = Annotated[
    bool,
    typer.Option(
        "--errors",
        help="Of experiments of the same images, also which images k of them miss, and each alone gets right or wrong.",
    ),
]
Paper = Annotated[
    list[str] | None,
    typer.Option(
        help="Grade the figures that a paper prints, such as 004; repeatable. all: of all papers, with runs those of "
        "their experiments. Without runs: by the predictions in results/evidence.",
    ),
]


def several(*options: str) -> type[HomeExpanded]:
    """Return a kind of command whose ``options`` (such as ``--on``) each take all words up to the next option."""

    class Several(HomeExpanded):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Repeat the option before each of its words, as the parser wants it."""
            spread: list[str] = []
            option = None
            for argument, following in zip(args, [*args, "-"][1:], strict=True):
                if argument in options:
                    option = argument
                    if following.startswith("-"):
                        raise typer.BadParameter("names nothing", ctx, param_hint=argument)
                    continue
                if argument.startswith("-"):
                    option = None
                spread += [option, argument] if option else [argument]
            return super().parse_args(ctx, spread)

    return Several
