"""Explain trained models: heat maps, their localisation, layers and their outputs; thumbnails."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages of the checkout are not installed
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, report_user_errors
from scripts.shared import _explain_measures
from scripts.shared import _options as options
from workflows.explain.request import ExplainRequest

EXAMPLE = "python scripts/explain.py heatmaps mobilenetv2_cut/latest --all"
app = typer.Typer(**TYPER, no_args_is_help=True, help=__doc__, epilog=examples(EXAMPLE))
app.add_typer(_explain_measures.app)


@app.command(
    cls=options.several("--images"),
    epilog=examples(EXAMPLE, "python scripts/explain.py heatmaps latest --method occlusion --which wrong"),
)
@report_user_errors()
def heatmaps(
    runs: options.RunPaths,
    method: options.Attribution = "gradcam",
    layer: options.LayerName = None,
    target: options.Target = "predicted",
    images: options.ImageFiles = None,
    samples: options.SampleCount = None,
    every: options.AllImages = False,
    which: options.WhichImages = None,
    windows: options.Windows = 8,
    steps: options.Steps = 32,
    out: options.Figure = None,
    data_dir: options.DataDir = None,
) -> None:
    """Show which places of an image support a class.

    Writes heatmaps/METHOD-LAYER.parquet (pictures for the report), .csv and .png into each run's folder; by default of
    each class the most certain right and wrong prediction and the most doubtful. An ensemble is shown by its members.
    """
    request = ExplainRequest(**locals())
    from workflows.explain.heatmaps import explain_runs

    explain_runs(request)


@app.command(
    cls=options.several("--images"),
    epilog=examples("python scripts/explain.py layers anet_c6_mnist/latest --samples 4"),
)
@report_user_errors()
def layers(
    runs: options.RunPaths,
    images: options.ImageFiles = None,
    samples: options.SamplesPerRun = 2,
    layers: options.LayerNames = "",
    out: options.LayersPicture = None,
    channels: options.Channels = 16,
    data_dir: options.DataDir = None,
) -> None:
    """Draw the outputs of layers for some images; by default those of paper 002 (figure 4), or up to four stages."""
    request = ExplainRequest(**locals())
    from workflows.explain.activations import draw_all_layers

    draw_all_layers(request)


if __name__ == "__main__":
    app()
