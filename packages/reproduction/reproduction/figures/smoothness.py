"""How smooth the outputs of layers are, beside the test accuracy of the network (paper 002, abstract and 3.3).

The paper compares pictures by eye; the measure is ours.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import avg_pool2d

from datamodules.inference.run_images import from_test_part
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.runs.run import Run
from karyocyte.workflows.explain.layers import Model, default_layers, layer_maps
from lightning_modules.build.load import load_run

IMAGES = 12  # of the test part, of each class in turn
NOISE = 2 / np.sqrt(np.pi)  # mean difference of two independent normal neighbours, in standard deviations
CONSTANT = 1e-6  # a map is constant if its standard deviation is at most this share of its largest value


def smoothness_of(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the mean smoothness of the layers of figure 4 in each run, on IMAGES images of its test part.

    A finer map of the same picture is the smoother one, since its neighbours lie closer together. So maps are averaged
    over windows that make them about as coarse (``grid``) as those of the coarsest network of the same data at the same
    ``position``: 1 is the first convolution, 2 and 3 are the first pools, 4 is the last. ``constant`` is the share of
    maps without a smoothness; ``accuracy`` is that of the run's test part.
    """
    rows = []
    for run in runs:
        about = {fact: run.predictions.about.get(fact) for fact in ("name", "source", "protocol", "seed")}
        about["accuracy"] = evaluate(score(run.predictions.part("test")))["accuracy"]
        for position, (layer, maps) in enumerate(_maps_of(run).items(), 1):
            rows.append({**about, "position": position, "layer": layer, "size": maps.shape[-1], "maps": maps})
    table = pd.DataFrame(rows)
    windows = table["size"] // table.groupby(["source", "position"])["size"].transform("min")
    table["grid"] = table["size"] // windows
    for row, window in zip(table.itertuples(), windows, strict=True):
        maps = avg_pool2d(torch.from_numpy(row.maps), window).numpy()  # windows that overlap would smooth noise, too
        smooth = pd.Series(smoothness(maps))
        table.loc[row.Index, ["smoothness", "constant"]] = smooth.mean(), smooth.isna().mean()
    return table.drop(columns="maps")


def _maps_of(run: Run) -> dict[str, np.ndarray]:
    """Return the maps of all images by layer, float32, shape (images times channels, H, W)."""
    model = Model.of_run(load_run(run.folder))
    found = defaultdict(list)
    for image in from_test_part(run.folder, IMAGES):
        maps = layer_maps(model, image)
        for layer in default_layers(model, list(maps)):
            found[layer].append(maps[layer])
    return {layer: np.concatenate(of_images) for layer, of_images in found.items()}


def smoothness(maps: np.ndarray) -> np.ndarray:
    """Return how much more alike the neighbours in maps (C, H, W) are than those of noise, float64, shape (C,).

    It is 1 - V / (2 / sqrt(pi)), where V is the mean absolute difference of neighbours (the anisotropic total variation
    of Rudin, Osher and Fatemi 1992) in standard deviations of the map: 1 where neighbours are alike, 0 on average for
    independent normal noise, -0.77 for a checkerboard; NaN for maps that are constant, or of one value.
    """
    maps = maps.astype(np.float64)
    differences = [np.abs(np.diff(maps, axis=axis)).reshape(len(maps), -1) for axis in (1, 2)]
    neighbours = np.concatenate(differences, axis=1)
    spread = maps.std(axis=(1, 2))
    varies = spread > CONSTANT * np.abs(maps).max(axis=(1, 2))
    variation = neighbours.sum(axis=1) / max(neighbours.shape[1], 1)
    relative = np.divide(variation, spread, out=np.full(len(maps), np.nan), where=varies)
    return np.asarray(1 - relative / NOISE)
