"""The layers of trained runs: pictures of their outputs, and their smoothness against accuracy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.cli import console, say
from common.config.schema import Config
from common.runs.lifecycle import other_revisions
from common.runs.run import Run
from datamodules.inference.run_images import Samples, from_files, from_test_part
from evaluation.core.labelled import score
from evaluation.explain.activations import layer_maps, layer_shapes, measure, positions
from evaluation.explain.plots import Layer, layer_grid
from evaluation.explain.smoothness import correlations
from evaluation.explain.terminal import correlation_table, smoothness_table, write_smoothness
from evaluation.metrics.classification import evaluate
from lightning_modules.load import load_run
from workflows.explain.requests import LayersRequest, SmoothnessRequest, split_names
from workflows.explain.selection import address, files_about, model_of, short_name, with_data_dir

LETTERS = 28  # of an image's name
# Sources that read any data set in data_dir.
SEVERAL_SETS = ("chromosomes", "composed_karyograms", "folder", "karyograms", "table")
COLUMNS = [
    *("run", "experiment", "network", "data_set", "protocol", "fold", "seed", "position", "layer"),
    *("channels", "height", "width", "smoothness", "common_height", "common_width", "smoothness_common"),
    *("constant_maps", "maps", "images", "accuracy", "test_images", "revision"),
]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class RunLayers:
    """The layers of a run that are measured.

    Attributes:
        run: The run.
        samples: The images.
        layers: Position -> (name, (C, H, W)).
    """

    run: Run
    samples: Samples
    layers: dict[str, tuple[str, Shape]]


def draw_all_layers(request: LayersRequest) -> None:
    """Draw the layers of each run.

    Raises:
        UserError: See ``load_run``, ``run_images`` and ``evaluation.explain.activations.check_names``.
    """
    for run in request.runs:
        path = request.out or run.folder / "layers" / "layers.png"
        _draw_layers(run, request, path)
        say(str(path), *other_revisions(run.folder))


def _draw_layers(run: Run, request: LayersRequest, path: Path) -> None:
    trained = load_run(run.folder)
    config = with_data_dir(trained.config, request.images.data_dir)
    about = run.predictions.about
    if request.images.files:
        samples = from_files(list(request.images.files), config)
        about = files_about(about)
    else:
        samples = from_test_part(run.folder, config, request.images.samples or 1)
    model = model_of(trained)
    names = {name: name for name in split_names(request.layers)} or positions(
        model, layer_shapes(model, samples.images[0])
    )
    batches = list(layer_maps(model, samples.images, list(names.values())))
    layers = []
    for position, name in names.items():
        title = name if position == name else f"{position}: {name}"
        layers.append(Layer(title, np.concatenate([maps[name] for maps in batches])))
    captions = []
    for name, label in zip(samples.names, samples.labels, strict=True):
        lines = [label, short_name(name, LETTERS)]
        captions.append("\n".join(line for line in lines if line is not None))
    about = {**about, "name": f"{trained.config.name} · {trained.network}"}
    layer_grid(path, samples.images, captions, layers, request.channels, about)


def measure_smoothness(request: SmoothnessRequest) -> None:
    """Measure the smoothness of the layers of runs, correlate it with accuracy, print and write both.

    Raises:
        UserError: See ``load_run`` and ``datamodules.inference.run_images``.
    """
    table = measure_runs(request.runs, request.samples)
    coefficients = correlations(table, request.evaluation)
    console.print(smoothness_table(table))
    console.print(correlation_table(coefficients, request.evaluation.confidence))
    say("written", *map(str, write_smoothness(request.csv, table, coefficients)))


def measure_runs(runs: Sequence[Run], count: int) -> pd.DataFrame:
    """Measure the smoothness of the layers of runs, at the positions of ``activations.positions``.

    Args:
        runs: The runs.
        count: Number of images of each run's test part, at most.

    Returns:
        A row per run and layer, in the columns of ``COLUMNS``; the common grid of a position is as high and as wide as
        the least high and the least wide map of any run there, of those with more than one row and column.
    """
    measured = [_layers_of(run, count) for run in runs]
    grids = common_grids(measured)
    rows: list[dict[str, Any]] = []
    for run_layers in measured:  # loaded again: two VGG16 take a gigabyte
        rows += _rows(run_layers, grids)
    return pd.DataFrame(rows, columns=COLUMNS)


def common_grids(runs: Sequence[RunLayers]) -> dict[str, tuple[int, int]]:
    """Return the common grid of each position, (height, width): see :func:`measure_runs`."""
    grids: dict[str, tuple[int, int]] = {}
    for run in runs:
        for position, (_, (_, height, width)) in run.layers.items():
            if min(height, width) > 1:
                least = grids.get(position, (height, width))
                grids[position] = (min(height, least[0]), min(width, least[1]))
    return grids


def data_set_of(config: Config) -> str:
    """Return the source and, where it reads any set of images, the name of its folder or zip file."""
    source = config.data.source
    if source not in SEVERAL_SETS or not config.data_dir:
        return source
    return f"{source} {Path(config.data_dir).name.removesuffix('.zip')}"


def _layers_of(run: Run, count: int) -> RunLayers:
    samples = from_test_part(run.folder, run.config, count)
    model = model_of(load_run(run.folder))
    layers = {}
    shapes = layer_shapes(model, samples.images[0])
    for position, name in positions(model, shapes).items():
        shape = shapes[name]
        if shape is not None:
            layers[position] = (name, shape)
    return RunLayers(run, samples, layers)


def _rows(run_layers: RunLayers, grids: dict[str, tuple[int, int]]) -> Iterator[dict[str, Any]]:
    run = load_run(run_layers.run.folder)
    images = run_layers.samples.images
    own_grids = {}
    for position, (name, shape) in run_layers.layers.items():
        # A layer of one row or column shares no grid with others.
        own_grids[name] = grids[position] if min(shape[1:]) > 1 else shape[1:]
    measured = measure(model_of(run), images, own_grids)
    predictions = run_layers.run.predictions.part("test")
    test = score(predictions)
    metrics = evaluate(test.labels, test.probabilities, test.classes, test.positive_index)
    facts = {
        "run": address(run),
        "experiment": run.config.name,
        "network": run.network,
        "data_set": data_set_of(run.config),
        **{key: predictions.about.get(key) for key in ("protocol", "fold", "seed", "revision")},
        "accuracy": metrics["accuracy"],
        "test_images": len(test.labels),
        "images": len(images),
    }
    for position, (name, (channels, height, width)) in run_layers.layers.items():
        yield {
            **facts,
            "position": position,
            "layer": name,
            "channels": channels,
            "height": height,
            "width": width,
            "common_height": own_grids[name][0],
            "common_width": own_grids[name][1],
            "smoothness": measured[name].own,
            "smoothness_common": measured[name].common,
            "constant_maps": measured[name].constant,
            "maps": measured[name].maps,
        }
