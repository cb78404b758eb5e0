"""Explain trained models: heat maps, their localisation, layers and their outputs; thumbnails."""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages of the checkout are not installed
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, report_user_errors
from common.runs.names import run_word
from workflows.explain.request import ExplainRequest

WORDS = "RUN... [IMAGES...] [KEY=VALUE...]"
Words = Annotated[list[str], typer.Argument(parser=run_word, metavar=WORDS, help="Keys of conf/explain.yaml.")]
Networks = Annotated[
    list[str], typer.Argument(parser=run_word, metavar="RUN... | KEY=VALUE...", help="Runs, or as train.py.")
]
Out = Annotated[Path | None, typer.Option(help="PNG of all runs (or the members of ensembles) side by side.")]
Layers = Annotated[Path | None, typer.Option("--out", help="PNG of a single run; else its layers/layers.png.")]
Csv = Annotated[Path | None, typer.Option(help="Table to write, or to add to.")]
Depth = Annotated[int, typer.Option(min=0, help="1: the backbone in one row; 2, 3, ...: its parts; 0: every layer.")]
Classes = Annotated[int | None, typer.Option(min=2, help="Number of classes, where it is in the images alone.")]
EXAMPLES = ("heatmaps mobilenetv2_cut/latest all=true", "heatmaps latest method=occlusion which=wrong")
app = typer.Typer(**TYPER, help=__doc__, epilog=examples(*(f"python scripts/explain.py {line}" for line in EXAMPLES)))


@app.command()
@report_user_errors()
def heatmaps(words: Words, out: Out = None) -> None:
    """Show which places of an image support a class.

    Writes heatmaps/METHOD-LAYER.parquet (pictures for the report), .csv and .png into each run's folder; by default of
    each class the most certain right and wrong prediction and the most doubtful. An ensemble is shown by its members.
    """
    request = ExplainRequest(words, out=out)
    from workflows.explain.heatmaps import explain_runs

    explain_runs(request)


@app.command()
@report_user_errors()
def layers(words: Words, out: Layers = None) -> None:
    """Draw the outputs of layers for some images; by default those of paper 002 (figure 4), or up to four stages."""
    request = ExplainRequest(words, out=out)
    from workflows.explain.activations import draw_all_layers

    draw_all_layers(request)


@app.command(epilog=examples("python scripts/explain.py localisation latest method=gradcam,occlusion"))
@report_user_errors()
def localisation(words: Words, csv: Csv = None) -> None:
    """Compare the heat maps of composed karyograms with the true places of the abnormalities.

    Pointing: how often the hottest point lies in the place. Energy: the share of all heat that does. Either beside its
    level by chance: the place's share of the sheet (area) and of its chromosomes (ink), and the same heat on the places
    of other sheets (others). Losses leave no ink: methods that work on the image itself cannot point there.
    """
    request = ExplainRequest(words, csv=csv)
    from workflows.explain.localisation import localise_runs

    localise_runs(request)


@app.command(epilog=examples("python scripts/explain.py summary +experiment=vgg16_cut_block5"))
@report_user_errors()
def summary(words: Networks, depth: Depth = 1, classes: Classes = None, csv: Csv = None) -> None:
    """Show the layers of a network with the shapes of their outputs and their parameters, and its parameter counts.

    The network is that of runs, or of an experiment; neither weights nor images are read. Papers 001 and 004 print the
    counts of Keras, which are shown beside: it counts the running statistics of BatchNorm, too.
    """
    from workflows.explain.summary import summarise_networks

    summarise_networks(words, depth, classes, csv)


@app.command()
@report_user_errors()
def thumbnails(words: Words) -> None:
    """Write thumbnails.parquet, the pictures of a report, for runs of older code."""
    request = ExplainRequest(words)
    from workflows.explain.heatmaps import write_missing_thumbnails

    write_missing_thumbnails(request)


if __name__ == "__main__":
    app()
