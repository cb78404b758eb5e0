"""Explain trained models: heat maps, and the outputs of layers."""

from pathlib import Path
from typing import Annotated, Literal

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.runs.names import run_word
from karyocyte.workflows.explain.explain_request import ExplainRequest

What = Literal["heatmaps", "layers"]
Words = Annotated[
    list[str],
    Argument(parser=run_word, metavar="RUN... [KEY=VALUE...]", help="Runs, and keys of conf/explain.yaml."),
]
Out = Annotated[Path | None, Option(help="PNG of all; by default in the folder of the first run.")]


def explain(what: What, words: Words, out: Out = None) -> None:
    """Explain trained models.

    [bold]heatmaps[/bold] show which places of an image support a class: pictures for the report, a table and a figure
    in each run's heatmaps folder; by default of the four most certain right and wrong predictions and the four most
    doubtful. An ensemble is explained by its members.

    Columns of the table: inside is the share of the heat on the content of the image, its pixels above
    prepare.crop_threshold; content is the share of the pixels that are content. Heat without preference has both equal.

    [bold]layers[/bold] draws the outputs of layers for some images, as papers 002 and 004 show them.

    With --out, heat maps of the same images are side by side in one figure, by run and layer.
    """
    request = ExplainRequest.read(words, out=out)
    # Only now: the imports take seconds.
    from karyocyte.workflows.explain.explain_runs import draw_heat_maps, draw_layers

    if what == "layers":
        draw_layers(request)
    else:
        draw_heat_maps(request)


app = program(
    explain,
    "python scripts/explain.py heatmaps latest all=true",
    "python scripts/explain.py heatmaps latest method=hirescam samples=20",
    "python scripts/explain.py layers anet_c6_mnist vgg16_mnist --out layers.png",
)
