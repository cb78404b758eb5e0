"""How smooth the outputs of layers are, beside the test accuracy of the network (paper 002, abstract and 3.3).

The paper compares pictures by eye; the measure is ours.
"""

from collections import defaultdict

import numpy as np
import pandas as pd

from datamodules.inference.run_images import from_test_part
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.runs.run import Run
from karyocyte.workflows.explain.layers import Model, default_layers, layer_maps
from lightning_modules.build.load import load_run

IMAGES = 12  # of the test part, of each class in turn
POSITIONS = ("conv1", "pool1", "pool2", "last pool")  # those of figure 4
NOISE = 2 / np.sqrt(np.pi)  # mean difference of two independent normal neighbours, in standard deviations
CONSTANT = 1e-6  # a map is constant if its standard deviation is at most this share of its largest value


def smoothness_of(run: Run) -> pd.DataFrame:
    """Return, of a network of figure 4, the mean smoothness of the maps of each of POSITIONS on IMAGES images.

    ``constant`` is the share of maps without a smoothness; ``accuracy`` is that of the run's test part. A finer map of
    the same picture is the smoother one, since its neighbours lie closer together: compare maps of one ``size``.
    """
    model = Model.of_run(load_run(run.folder))
    found = defaultdict(list)
    for image in from_test_part(run.folder, IMAGES):
        maps = layer_maps(model, image)
        for position, layer in zip(POSITIONS, default_layers(model, list(maps)), strict=True):
            found[position, layer, maps[layer].shape[-1]].append(smoothness(maps[layer]))
    rows = []
    for (position, layer, size), of_images in found.items():
        smooth = pd.Series(np.concatenate(of_images))
        row = {"position": position, "layer": layer, "size": size, "smoothness": smooth.mean()}
        rows.append(row | {"constant": smooth.isna().mean()})
    return pd.DataFrame(rows).assign(accuracy=evaluate(score(run.predictions.part("test")))["accuracy"])


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
