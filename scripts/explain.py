"""Explain trained models: heat maps, their localisation, layers and their outputs; thumbnails."""

import sys
from pathlib import Path
from typing import Annotated, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages of the checkout are not installed
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, report_user_errors
from common.runs.names import run_word
from workflows.explain.request import ExplainRequest

What = Literal["heatmaps", "layers", "localisation", "summary", "thumbnails"]
Words = Annotated[
    list[str],
    typer.Argument(
        parser=run_word, metavar="RUN... [IMAGES...] [KEY=VALUE...]", help="Keys of conf/explain.yaml and evaluation."
    ),
]
Out = Annotated[Path | None, typer.Option(help="PNG: heat maps of all runs side by side, or layers of a single run.")]
Csv = Annotated[Path | None, typer.Option(help="Table of localisation or summary to write.")]
Depth = Annotated[int, typer.Option(min=0, help="summary: 1 the backbone in one row; 2, 3, ...: its parts; 0: all.")]
Classes = Annotated[int | None, typer.Option(min=2, help="summary: their number, where it is in the images alone.")]
EXAMPLES = (
    "heatmaps latest all=true",
    "heatmaps latest method=occlusion which=wrong",
    "summary +experiment=vgg16_mnist",
)
app = typer.Typer(**TYPER)


@app.command(epilog=examples(*(f"python scripts/explain.py {line}" for line in EXAMPLES)))
@report_user_errors()
def explain(
    what: What, words: Words, out: Out = None, csv: Csv = None, depth: Depth = 1, classes: Classes = None
) -> None:
    """Explain trained models.

    [bold]heatmaps[/bold] show which places of an image support a class: pictures for the report, a table and a figure
    in each run's heatmaps folder; by default of each class the most certain right and wrong prediction and the most
    doubtful. An ensemble is shown by its members.

    [bold]layers[/bold] draws the outputs of layers for some images.

    [bold]localisation[/bold] compares the heat maps of composed karyograms with the true places of the abnormalities.
    Pointing: how often the hottest point lies in the place. Energy: the share of all heat that does. Either beside its
    level by chance: the place's share of the sheet (area), of its chromosomes (ink), and other sheets' places (others).

    [bold]summary[/bold] shows the layers of a network, of runs or of +experiment=..., and its parameter counts, also as
    Keras counts them. [bold]thumbnails[/bold] writes the pictures of a report for runs of older code.
    """
    if what == "summary":
        from workflows.explain.summary import summarise_networks

        summarise_networks(words, depth, classes, csv)
        return
    request = ExplainRequest(words, out, csv)
    from workflows.explain.run import RUN  # takes seconds: after the checks

    RUN[what](request)


if __name__ == "__main__":
    app()
