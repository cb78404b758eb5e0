"""The layers of trained runs: pictures of their outputs, and their smoothness against accuracy."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.cli import console, say
from common.config.schema import Config
from common.errors import UserError
from common.files import write_csv
from common.runs.lifecycle import other_revisions
from common.runs.run import Run
from datamodules.inference.run_images import Samples, from_files, from_test_part
from evaluation.core.labelled import score
from evaluation.explain.activations import layer_maps, layer_shapes, measure, positions
from evaluation.explain.plots import layer_grid, smoothness_scatter
from evaluation.explain.smoothness import correlation_table, correlations, smoothness_table
from evaluation.metrics.resampled import evaluate
from lightning_modules.load import load_run
from workflows.explain.request import ExplainRequest, split_names
from workflows.explain.selection import facts_of, files_about, model_of, short_name, with_data_dir

LETTERS = 28  # of an image's name
DIGITS = "%.6f"  # as the other tables of results
# Sources that read any data set in data_dir.
SEVERAL_SETS = ("chromosomes", "composed_karyograms", "folder", "karyograms", "table")
COLUMNS = [
    *("run", "experiment", "network", "data_set", "protocol", "fold", "seed", "position", "layer"),
    *("channels", "height", "width", "smoothness", "common_height", "common_width", "smoothness_common"),
    *("constant_maps", "maps", "images", "accuracy", "test_images", "revision"),
]


def draw_all_layers(request: ExplainRequest) -> None:
    """Draw the layers of each run; a ``UserError`` says that one file is named for several runs."""
    count = len(request.opened)
    if request.out is not None and count > 1:
        raise UserError(f"--out {request.out}: one file for {count} runs: without it each gets layers/layers.png")
    for run in request.opened:
        path = request.out or run.folder / "layers" / "layers.png"
        _draw_layers(run, request, path)
        say(str(path), *other_revisions(run.folder))


def _draw_layers(run: Run, request: ExplainRequest, path: Path) -> None:
    trained = load_run(run.folder)
    config = with_data_dir(trained.config, request.data_dir)
    about = run.predictions.about
    if request.images:
        samples = from_files(list(request.images), config)
        about = files_about(about)
    else:
        samples = from_test_part(run.folder, config, request.samples or 1)
    model = model_of(trained)
    names = {name: name for name in split_names(request.layers)}
    if not names:
        names = positions(model, layer_shapes(model, samples.images[0]))
    batches = list(layer_maps(model, samples.images, list(names.values())))
    layers = {}
    for position, name in names.items():
        title = name if position == name else f"{position}: {name}"
        layers[title] = np.concatenate([maps[name] for maps in batches])
    captions = []
    for name, label in zip(samples.names, samples.labels, strict=True):
        captions.append("\n".join(filter(None, (label, short_name(name, LETTERS)))))
    about = {**about, "name": f"{trained.config.name} · {trained.network}"}
    layer_grid(path, samples.images, captions, layers, request.channels, about)


def measure_smoothness(request: ExplainRequest) -> None:
    """Measure the smoothness of the layers of runs, correlate it with accuracy, print and write both.

    The table has a row per run and layer, in the columns of ``COLUMNS``; beside it are the correlations,
    ``<name>_correlation.csv``, and a plot, ``<name>.png``.
    """
    assert request.csv is not None  # it has a default
    samples = [from_test_part(run.folder, run.config, request.samples or 1) for run in request.opened]
    layers = [_layers_of(run, images) for run, images in zip(request.opened, samples, strict=True)]
    grids = with_common_grids(pd.concat(layers, ignore_index=True))
    tables = []
    for run, images in zip(request.opened, samples, strict=True):  # loaded again: two VGG16 take a gigabyte
        tables.append(_measure_run(run, images, grids[grids["folder"] == run.folder]))
    table = pd.concat(tables, ignore_index=True)[COLUMNS]
    coefficients = correlations(table, request.evaluation)
    console.print(smoothness_table(table))
    console.print(correlation_table(coefficients, request.evaluation.confidence))
    correlation = request.csv.with_name(f"{request.csv.stem}_correlation.csv")
    plot = request.csv.with_suffix(".png")
    write_csv(request.csv, table, DIGITS)
    write_csv(correlation, coefficients, DIGITS)
    title = f"smoothness of layers and test accuracy · {table['run'].nunique()} runs"
    smoothness_scatter(plot, table, coefficients, {"name": title})
    say("written", str(request.csv), str(correlation), str(plot))


def _layers_of(run: Run, samples: Samples) -> pd.DataFrame:
    """Return a row per layer to measure: its position, name and shape."""
    model = model_of(load_run(run.folder))
    shapes = layer_shapes(model, samples.images[0])
    rows = []
    for position, name in positions(model, shapes).items():
        rows.append((run.folder, position, name, *(shapes[name] or ())))
    return pd.DataFrame(rows, columns=["folder", "position", "layer", "channels", "height", "width"])


def with_common_grids(layers: pd.DataFrame) -> pd.DataFrame:
    """Add ``common_height`` and ``common_width``, the grid on which the runs are compared at a position.

    It is as high and as wide as the least high and the least wide map of any run there, of those with more than one row
    and column; a layer with one row or column shares no grid with others, and keeps its own.

    The table has a row per run and layer: position, height, width.
    """
    several = layers[(layers["height"] > 1) & (layers["width"] > 1)]
    least = several.groupby("position")[["height", "width"]].transform("min")
    least = least.reindex(layers.index).fillna(layers[["height", "width"]]).astype(int)
    return layers.assign(common_height=least["height"], common_width=least["width"])


def data_set_of(config: Config) -> str:
    """Return the source and, where it reads any set of images, the name of its folder or zip file."""
    source = config.data.source
    if source not in SEVERAL_SETS or not config.data_dir:
        return source
    return f"{source} {Path(config.data_dir).name.removesuffix('.zip')}"


def _measure_run(run: Run, samples: Samples, layers: pd.DataFrame) -> pd.DataFrame:
    trained = load_run(run.folder)
    grids = {row.layer: (row.common_height, row.common_width) for row in layers.itertuples()}
    measured = measure(model_of(trained), samples.images, grids)
    predictions = run.predictions.part("test")
    test = score(predictions)
    metrics = evaluate(test)
    facts: dict[str, Any] = {
        **facts_of(trained, predictions.about),
        "data_set": data_set_of(trained.config),
        "accuracy": metrics["accuracy"],
        "test_images": len(test.labels),
        "images": len(samples.images),
    }
    return layers.merge(measured, on="layer").assign(**facts)
