"""The measurements of ``scripts/explain.py``: ``localisation`` and ``summary``."""

import typer

from common.cli import examples, report_user_errors
from scripts.shared import _options as options
from workflows.explain.request import ExplainRequest

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "python scripts/explain.py localisation karyogram_resnet18/latest",
        "python scripts/explain.py localisation latest --methods gradcam,occlusion",
    )
)
@report_user_errors()
def localisation(
    runs: options.RunPaths,
    methods: options.AttributionNames = "gradcam",
    layers: options.LayerNames = "",
    target: options.Target = "true",
    samples: options.SampleCount = None,
    tolerance: options.Tolerance = 0.03,
    windows: options.Windows = 8,
    steps: options.Steps = 32,
    csv: options.LocalisationCsv = None,
    data_dir: options.DataDir = None,
    resamples: options.Resamples = 1000,
    confidence: options.Confidence = 0.95,
    seed: options.ResamplingSeed = 0,
) -> None:
    """Compare the heat maps of composed karyograms with the true places of the abnormalities.

    Pointing: how often the hottest point lies in the place. Energy: the share of all heat that does. Either beside its
    level by chance: the place's share of the sheet (area) and of its chromosomes (ink), and the same heat on the places
    of other sheets (others). Losses leave no ink: methods that work on the image itself cannot point there.
    """
    request = ExplainRequest(**locals())
    from workflows.explain.localisation import localise_runs

    localise_runs(request)


@app.command(
    epilog=examples(
        "python scripts/explain.py summary +experiment=vgg16_cut_block5",
        "python scripts/explain.py summary mobilenetv2_cut/latest --depth 2",
    )
)
@report_user_errors()
def summary(
    network: options.Networks,
    depth: options.Depth = 1,
    classes: options.ClassCount = None,
    csv: options.LayersCsv = None,
) -> None:
    """Show the layers of a network with the shapes of their outputs and their parameters, and its parameter counts.

    The network is that of runs, or of an experiment; neither weights nor images are read. Papers 001 and 004 print the
    counts of Keras, which are shown beside: it counts the running statistics of BatchNorm, too.
    """
    from workflows.explain.summary import SummaryRequest, summarise_networks

    summarise_networks(SummaryRequest(network, depth, classes, csv))


@app.command(epilog=examples("python scripts/explain.py thumbnails mobilenetv2_cut/latest"))
@report_user_errors()
def thumbnails(runs: options.RunPaths, data_dir: options.DataDir = None) -> None:
    """Write thumbnails.parquet, the pictures of a report, for runs of older code."""
    request = ExplainRequest(**locals())
    from workflows.explain.heatmaps import write_missing_thumbnails

    write_missing_thumbnails(request)
