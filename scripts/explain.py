"""Look into trained models: which places speak for a class, what layers give out, and how smooth that is."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors
from scripts._options import several

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs.")]
Images = Annotated[
    list[Path] | None, typer.Option(metavar="FILE...", help="Image files; without, images of the run's test part.")
]
Samples = Annotated[int, typer.Option(min=1, help="How many of those, of each class in turn.")]
Layers = Annotated[str, typer.Option(help="Names of modules, such as conv1,pool1,layer3.0.conv1.")]
Out = Annotated[Path | None, typer.Option(help="PNG to write for a single run; else layers/layers.png in each run's.")]
Channels = Annotated[int, typer.Option(min=1, help="Channels shown of each layer, at most.")]
DataDir = Annotated[str | None, typer.Option(help="Where the run's images lie now, if not where they were.")]
Csv = Annotated[Path, typer.Option(help="Table to write; NAME_correlation.csv and NAME.png come to lie beside it.")]
Resamples = Annotated[int, typer.Option(min=10, help="Bootstrap resamples.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="How often an interval should hold the truth.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the resampling.")]


class Method(StrEnum):
    """How heat maps are made."""

    GRADCAM = "gradcam"
    GRADCAM_PLUS = "gradcam++"
    HIRESCAM = "hirescam"
    EIGENCAM = "eigencam"
    OCCLUSION = "occlusion"
    INTEGRATED_GRADIENTS = "integrated_gradients"


class Which(StrEnum):
    """Which test images."""

    RIGHT = "right"
    WRONG = "wrong"
    DOUBTFUL = "doubtful"


Layer = Annotated[str | None, typer.Option(help="Name of a module; else the last with maps of 4 x 4 values or more.")]
Target = Annotated[str, typer.Option(help="For which class: predicted, true, or a class.")]
Some = Annotated[int | None, typer.Option(min=1, help="How many, of --which, or of each class in turn.")]
Every = Annotated[bool, typer.Option("--all", help="All images of the test part.")]
Windows = Annotated[int, typer.Option(min=2, help="Occlusion: windows that side by side make the width.")]
Steps = Annotated[int, typer.Option(min=2, help="Integrated gradients: steps from the plain ground to the image.")]
Figure = Annotated[Path | None, typer.Option(help="PNG of all runs (or the members of ensembles) side by side.")]

app = typer.Typer(
    add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__
)


@app.command(cls=several("--images"))
@report_user_errors()
def heatmaps(
    runs: Runs,
    method: Annotated[Method, typer.Option(help="How the maps are made.")] = Method.GRADCAM,
    layer: Layer = None,
    target: Target = "predicted",
    images: Images = None,
    samples: Some = None,
    every: Every = False,
    which: Annotated[Which | None, typer.Option(help="The surest of these calls, or the most doubtful.")] = None,
    windows: Windows = 8,
    steps: Steps = 32,
    out: Figure = None,
    data_dir: DataDir = None,
) -> None:
    """Show which places of an image speak for a class.

    Writes heatmaps/METHOD-LAYER.parquet (a picture per image, for the report), .csv and .png into each run's folder.
    Without a word on images: of each class the surest right call, the surest wrong one and the most doubtful. An
    ensemble's folder stands for its members, drawn side by side.

    [bold]python scripts/explain.py heatmaps outputs/resnet50_cut_block5/subject-fold0-*/seed=0 --all[/bold]

    [bold]python scripts/explain.py heatmaps RUN RUN RUN --which wrong --out wrong.png[/bold]
    """
    from common.cli import say
    from workflows.explain.heatmaps import explain_all
    from workflows.explain.selection import Wish

    wish = Wish(method, layer, target, tuple(images or ()), samples, which, every, windows, steps, data_dir)
    for path in explain_all(runs, wish, out):
        say(str(path))


@app.command()
@report_user_errors()
def localisation(
    runs: Runs,
    methods: Annotated[str, typer.Option(help="As heatmaps --method, parted by commas.")] = "gradcam",
    layers: Annotated[str, typer.Option(help="Names of modules, parted by commas; else the last with maps.")] = "",
    target: Target = "true",
    samples: Annotated[int | None, typer.Option(min=1, help="How many, of each kind in turn; else all.")] = None,
    tolerance: Annotated[float, typer.Option(min=0, max=1, help="Near: a share of the image's longer side.")] = 0.03,
    windows: Windows = 8,
    steps: Steps = 32,
    csv: Annotated[Path | None, typer.Option(help="Table to write, or to add to.")] = None,
    data_dir: DataDir = None,
    resamples: Resamples = 1000,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
) -> None:
    """Hold the heat maps of composed karyograms to the true places of the abnormalities.

    Pointing: how often the hottest point lies in the place. Energy: the share of all heat that does. Either beside
    what chance reaches: the place's share of the sheet (area) and of its chromosomes (ink), and what the same heat
    reaches in the places of other sheets (others). What lacks leaves no ink: methods that look at the image itself
    cannot point there.
    Writes localisation/METHOD-LAYER.csv and .png into each run's folder.

    [bold]python scripts/explain.py localisation outputs/karyogram_places/subject-fold*/seed=0 --csv found.csv[/bold]
    """
    from common.cli import console, say
    from common.config.schema import EvaluationConfig
    from workflows.explain.localisation import hold, terminal_table, wishes, write_table
    from workflows.explain.selection import Wish

    wish = Wish("", None, target, samples=samples, windows=windows, steps=steps, data_dir=data_dir)
    settings = EvaluationConfig(resamples=resamples, confidence=confidence, seed=seed)
    for run in runs:
        held = hold(run, wishes(wish, methods, layers), tolerance, settings)
        say(str(run))
        for one in held:
            console.print(terminal_table(one))
        if csv is not None:
            write_table(csv, held)


@app.command()
@report_user_errors()
def thumbnails(runs: Runs, data_dir: DataDir = None) -> None:
    """Write thumbnails.parquet, the pictures of a report, for runs that have none: those of older code.

    [bold]python scripts/explain.py thumbnails outputs/*/*/seed=*[/bold]
    """
    from common.cli import say
    from workflows.explain.heatmaps import write_missing

    for run in runs:
        say(str(write_missing(run, data_dir)))


@app.command(cls=several("--images"))
@report_user_errors()
def layers(
    runs: Runs,
    images: Images = None,
    samples: Samples = 2,
    layers: Layers = "",
    out: Out = None,
    channels: Channels = 16,
    data_dir: DataDir = None,
) -> None:
    """Draw what the layers of trained models give out for some images.

    Without [bold]--layers[/bold]: the first convolution, the first two pools and the last of a network with three pools
    or more (paper 002, figure 4), else up to four of its stages.

    [bold]python scripts/explain.py layers outputs/alexnet_chromosomes/subject-fold0-*/seed=0[/bold]

    [bold]python scripts/explain.py layers RUN --images a.png b.png --layers conv1,pool5[/bold]
    """
    # Imported here so that --help costs nothing.
    from common.cli import say
    from common.errors import UserError
    from common.runs.lifecycle import other_revisions
    from workflows.explain.activations import draw_layers

    if out is not None and len(runs) > 1:
        raise UserError(f"--out {out}: one file for {len(runs)} runs: leave it out, each run gets layers/layers.png")
    names = [name.strip() for name in layers.split(",") if name.strip()]
    for run in runs:
        path = out or run / "layers" / "layers.png"
        draw_layers(run, images or [], samples, names, channels, path, data_dir)
        say(str(path), *other_revisions(run))


@app.command()
@report_user_errors()
def smoothness(
    runs: Runs,
    csv: Csv = Path("results/smoothness.csv"),
    samples: Samples = 48,
    resamples: Resamples = 1000,
    confidence: Confidence = 0.95,
    seed: Seed = 0,
) -> None:
    """Measure how smooth the layers of trained models are, and whether smooth layers go with low accuracy.

    Smoothness is 1 where neighbours in a map are alike and 0 where they are as in noise. Paper 002 claims that smooth
    layers go with low accuracy: a negative correlation would support it.

    [bold]python scripts/explain.py smoothness outputs/*/image-fold0-*/seed=0 --csv results/smoothness.csv[/bold]
    """
    from common.cli import console, say
    from common.config.schema import EvaluationConfig
    from evaluation.explain.smoothness import correlations
    from evaluation.explain.terminal import correlation_table, smoothness_table, write_smoothness
    from workflows.explain.activations import measure_runs

    table = measure_runs(runs, samples)
    found = correlations(table, EvaluationConfig(resamples=resamples, confidence=confidence, seed=seed))
    console.print(smoothness_table(table))
    console.print(correlation_table(found, confidence))
    say("written", *map(str, write_smoothness(csv, table, found)))


if __name__ == "__main__":
    app()
