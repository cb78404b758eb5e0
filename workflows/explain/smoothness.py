"""How smooth the outputs of layers are (paper 002, section 3.3, which compares those of ANet-c6 and VGG by eye)."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import adaptive_avg_pool2d

from common.cli import console, say
from common.files import write_csv
from common.runs.run import Run
from datamodules.inference.run_images import from_test_part
from evaluation.core.labelled import score
from evaluation.metrics.resampled import evaluate
from evaluation.renderers import frame_table
from lightning_modules.load import load_run
from workflows.explain.layers import Model, layer_maps, layer_shapes, positions
from workflows.explain.request import ExplainRequest

NOISE = 2 / np.sqrt(np.pi)  # mean difference of two independent normal neighbours, in standard deviations
CONSTANT = 1e-6  # a map is constant if its standard deviation is at most this share of its largest value: rounding
SAMPLES = 12  # test images of a run by default
COLUMNS = ["run", "experiment", "source", "position", "layer", "channels", "height", "width"]


def smoothness(maps: np.ndarray) -> np.ndarray:
    """Return how much more alike the neighbours in a map are than those of noise.

    It is 1 - V / (2 / sqrt(pi)), where V is the anisotropic total variation (Rudin, Osher and Fatemi 1992) for each
    pair of neighbours, in standard deviations of the map: its size, scale and offset do not count.

    Args:
        maps: Float, shape (..., H, W).

    Returns:
        Float64, shape (...): 1 where neighbours are alike, 0 on average for independent normal noise, -0.77 for a
        checkerboard; NaN for maps that are constant, or of one value.
    """
    maps = np.asarray(maps, np.float64)
    vertical = np.abs(np.diff(maps, axis=-2))
    horizontal = np.abs(np.diff(maps, axis=-1))
    pairs = np.prod(vertical.shape[-2:]) + np.prod(horizontal.shape[-2:])
    variation = (vertical.sum(axis=(-2, -1)) + horizontal.sum(axis=(-2, -1))) / max(pairs, 1)
    spread = maps.std(axis=(-2, -1))
    varies = spread > CONSTANT * np.abs(maps).max(axis=(-2, -1))
    relative = np.divide(variation, spread, out=np.full(spread.shape, np.nan), where=varies)
    return np.asarray(1 - relative / NOISE)


def measure_smoothness(request: ExplainRequest, csv: Path | None) -> None:
    """Print the smoothness of the layers of runs beside their test accuracy, and write it as a table.

    A finer map of the same picture is the smoother one, since its neighbours lie closer together. So maps are also
    compared averaged down to the smallest grid of any run at their position (``on_common_grid``).
    """
    layers = pd.concat([_layers_of(run, request) for run in request.runs], ignore_index=True)
    grids = layers.groupby("position")[["height", "width"]].min()
    # Networks are loaded again: two VGG16 take a gigabyte.
    table = pd.concat([_measure(run, request, layers[layers["run"] == str(run.folder)], grids) for run in request.runs])
    shown = ["experiment", "position", "height", "smoothness", "on_common_grid", "accuracy"]
    console.print(frame_table(table[shown], "smoothness of layers: 1 smooth, 0 as noise"))
    if csv:
        write_csv(csv, table, "%.6f")
        say(str(csv))


def _layers_of(run: Run, request: ExplainRequest) -> pd.DataFrame:
    """Return a row per layer that is measured, with the size of its maps."""
    model = Model.of_run(load_run(run.folder))
    shapes = layer_shapes(model, from_test_part(run.folder, request.config(run), 1).images[0])
    rows = []
    for position, layer in positions(model, shapes).items():
        rows.append((str(run.folder), run.config.name, run.config.data.source, position, layer, *shapes[layer]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _measure(run: Run, request: ExplainRequest, layers: pd.DataFrame, grids: pd.DataFrame) -> pd.DataFrame:
    """Add to the layers of a run the mean smoothness of their maps, and the accuracy of the run."""
    samples = from_test_part(run.folder, request.config(run), request.settings.samples or SAMPLES)
    maps = layer_maps(Model.of_run(load_run(run.folder)), samples.images, layers["layer"].tolist())
    own, common = [], []
    for position, layer in zip(layers["position"], layers["layer"], strict=True):
        averaged = adaptive_avg_pool2d(torch.from_numpy(maps[layer]), grids.loc[position].tolist())
        own.append(pd.Series(smoothness(maps[layer]).ravel()).mean())  # NaN, of a constant map, is left out
        common.append(pd.Series(smoothness(averaged.numpy()).ravel()).mean())
    accuracy = evaluate(score(run.predictions.part("test")))["accuracy"]
    return layers.assign(smoothness=own, on_common_grid=common, accuracy=accuracy, images=len(samples.images))
