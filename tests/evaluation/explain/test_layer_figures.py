"""Pictures of layers: how channels are tiled, and that the files are whole."""

import numpy as np
import pandas as pd
from PIL import Image

from common.config.schema import EvaluationConfig
from evaluation.explain.plots import layer_grid, mosaic, most_varied, smoothness_scatter
from evaluation.explain.smoothness import correlations


def test_each_channel_of_a_mosaic_has_its_own_range_and_place():
    small, large = np.array([[0.0, 1.0], [2.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 1000.0]])
    sheet = mosaic(np.stack([small, large, np.ones((2, 2))]))
    side = (sheet.shape[0] - np.isnan(sheet[:, 0]).sum()) // 2
    first, second, third = sheet[:side, :side], sheet[:side, -side:], sheet[-side:, :side]
    assert np.unique(first).tolist() == [0, 0.25, 0.5, 1]
    assert np.unique(second).tolist() == [0, 1]
    assert np.unique(third).tolist() == [0.5]
    assert np.isnan(sheet[-side:, -side:]).all()


def test_maps_of_one_value_are_scaled_together():
    sheet = mosaic(np.array([0.0, 1.0, 4.0]).reshape(3, 1, 1))
    assert np.unique(sheet[~np.isnan(sheet)]).tolist() == [0, 0.25, 1]


def test_the_most_varied_channels_come_first_whatever_their_level():
    noise = np.random.default_rng(0).normal(size=(2, 1, 6, 6))
    maps = np.concatenate([noise + 100, 5 * noise, 0 * noise, 2 * noise], axis=1)
    assert most_varied(maps, 3).tolist() == [1, 3, 0]


def test_the_grid_grows_with_images_and_layers(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 16, 16, 3), dtype=np.uint8)
    layers = {"conv1": rng.normal(size=(2, 5, 8, 8)), "last pool: pool4": np.zeros((2, 3, 1, 1))}
    sizes = []
    for name, count, chosen in (("one", 1, {"conv1": layers["conv1"]}), ("two", 2, layers)):
        path = tmp_path / f"{name}.png"
        layer_grid(path, images[:count], ["a"] * count, chosen, 4, {"name": "run"})
        sizes.append(Image.open(path).size)
    assert sizes[1][0] > 1.3 * sizes[0][0]
    assert sizes[1][1] > 1.3 * sizes[0][1]


def test_the_scatter_is_drawn_even_of_too_few_runs(tmp_path):
    rows = [("a", "net", "one", "conv1", 0.5, 0.4, 0.9), ("b", "net", "one", "conv1", 0.6, np.nan, 0.8)]
    names = ["run", "network", "data_set", "position", "smoothness", "smoothness_common", "accuracy"]
    table = pd.DataFrame(rows, columns=names)
    path = tmp_path / "scatter.png"
    smoothness_scatter(path, table, correlations(table, EvaluationConfig(resamples=10)), {"name": "2 runs"})
    assert Image.open(path).size[0] > 500
