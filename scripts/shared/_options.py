"""Options that several command lines share."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from common.runs.names import run_path, run_word

Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap resamples.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="Confidence level of the intervals.")]
Part = Annotated[
    Literal["test", "validation"],
    typer.Option(
        help="validation: the images that settings are chosen by; costs=karyotype of assignment is calibrated on them."
    ),
]
ResultsCsv = Annotated[Path | None, typer.Option(help="Add a row per metric to this table, or replace it.")]
RowLabel = Annotated[str, typer.Option(help="Name of the rows in the table.")]
ResamplingSeed = Annotated[int, typer.Option(min=0, help="Seed of the resampling.")]
BatchNorm = Annotated[
    Literal["trained", "images"] | None,
    typer.Option(
        help="BatchNorm statistics of training, or of the new images: of all classes and one laboratory.",
        show_default="the run's inference.batchnorm",
    ),
]
RunPaths = Annotated[
    list[Path], typer.Argument(parser=run_path, metavar="RUN...", help="Folders of finished runs, or their names.")
]
FitSeed = Annotated[int, typer.Option(min=0, help="Seed of the fit.")]
MeasuredRuns = Annotated[
    list[Path] | None,
    typer.Argument(
        parser=run_path,
        metavar="[RUN...]",
        help="Folders of runs and ensembles, or tables of evaluate.py --csv or collect.py.",
        show_default="the tables of --results",
    ),
]
MembersAndKeys = Annotated[
    list[str],
    typer.Argument(
        parser=run_word, metavar="RUN... [KEY=VALUE...]", help="Runs; keys of conf/ensemble.yaml and evaluation.<key>."
    ),
]
ImageFiles = Annotated[
    list[Path] | None, typer.Option(metavar="FILE...", help="Image files; without, images of the run's test part.")
]
DataDir = Annotated[str | None, typer.Option(help="Where the run's images are now, if not where they were.")]

# Options of scripts/explain.py.
Attribution = Annotated[
    Literal["gradcam", "gradcam++", "hirescam", "eigencam", "occlusion", "integrated_gradients"],
    typer.Option("--method", help="Method of the maps."),
]
AttributionNames = Annotated[str, typer.Option("--methods", help="As heatmaps --method, separated by commas.")]
LayerName = Annotated[str | None, typer.Option("--layer", help="Name of a module; else the last with maps of 4 x 4.")]
LayerNames = Annotated[str, typer.Option("--layers", help="Names of modules, separated by commas.")]
Target = Annotated[str, typer.Option(help="Class of the maps: predicted, true, or a class.")]
SampleCount = Annotated[int | None, typer.Option(min=1, help="How many, of --which, or of each class or kind in turn.")]
AllImages = Annotated[bool, typer.Option("--all", help="All images of the test part.")]
WhichImages = Annotated[
    Literal["right", "wrong", "doubtful"] | None, typer.Option(help="The most certain of these, or the most doubtful.")
]
Windows = Annotated[int, typer.Option(min=2, help="Occlusion: windows side by side across the width.")]
Steps = Annotated[int, typer.Option(min=2, help="Integrated gradients: steps from the plain ground to the image.")]
Figure = Annotated[Path | None, typer.Option(help="PNG of all runs (or the members of ensembles) side by side.")]
Tolerance = Annotated[float, typer.Option(min=0, max=1, help="Near: a share of the image's longer side.")]
SamplesPerRun = Annotated[int, typer.Option(min=1, help="Number of test images, of each class in turn.")]
Channels = Annotated[int, typer.Option(min=1, help="Channels of each layer, at most.")]
LayersPicture = Annotated[Path | None, typer.Option(help="PNG of a single run; else layers/layers.png in its folder.")]
Networks = Annotated[
    list[str],
    typer.Argument(
        parser=run_word, metavar="RUN... | KEY=VALUE...", help="Runs, or as train.py: +experiment=<name> ..."
    ),
]
Depth = Annotated[int, typer.Option(min=0, help="1: the backbone in one row; 2, 3, ...: its parts; 0: every layer.")]
ClassCount = Annotated[int | None, typer.Option(min=2, help="Number of classes, where it is in the images alone.")]
LayersCsv = Annotated[Path | None, typer.Option("--csv", help="Write the table of layers to this file.")]
LocalisationCsv = Annotated[Path | None, typer.Option(help="Table to write, or to add to.")]


# Options of scripts/evaluate.py.
EvaluatedRuns = Annotated[
    list[str],
    typer.Argument(
        parser=run_word,
        metavar="RUN... [KEY=VALUE...]",
        help="Run folders, names or predictions.parquet, the folds of one experiment are pooled; keys of evaluation.",
    ),
]
Against = Annotated[
    list[Path] | None,
    typer.Option(parser=run_path, metavar="RUN...", help="Subtract these runs, evaluated on the same images."),
]
Output = Annotated[Path | None, typer.Option(help="Write metrics.json, tables and pictures into this new folder.")]
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
TableCsv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]


def several(*options: str) -> type[TyperCommand]:
    """Return a kind of command whose ``options`` (such as ``--against``) each take all words up to the next option."""

    class Several(TyperCommand):
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
