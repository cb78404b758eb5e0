"""Pictures of explanations: colours over an image, and tiled channels."""

import numpy as np

from karyocyte.workflows.explain.plots import heat_colours, mosaic, most_varied, overlay

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 255, (40, 40, 3), dtype=np.uint8)


def test_an_overlay_is_red_at_the_hottest_place_and_unchanged_without_heat():
    assert np.array_equal(overlay(IMAGE, np.zeros((40, 40))), IMAGE)
    heat = np.zeros((40, 40))
    heat[5, 7] = 1.0
    laid = overlay(np.full_like(IMAGE, 128), heat).astype(int)
    assert laid[5, 7, 0] > laid[5, 7, 1:].max()
    assert (laid[0, 0] == 128).all()
    assert len(np.unique(heat_colours(np.linspace(0, 1, 64)[None]).reshape(-1, 3), axis=0)) > 50


def test_each_channel_of_a_mosaic_has_its_own_range_and_place():
    small, large = np.array([[0.0, 1.0], [2.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 1000.0]])
    sheet = mosaic(np.stack([small, large, np.ones((2, 2))]))
    side = (sheet.shape[0] - np.isnan(sheet[:, 0]).sum()) // 2
    assert np.unique(sheet[:side, :side]).tolist() == [0, 0.25, 0.5, 1]
    assert np.unique(sheet[:side, -side:]).tolist() == [0, 1]
    assert np.unique(sheet[-side:, :side]).tolist() == [0]  # a constant channel is black
    assert np.isnan(sheet[-side:, -side:]).all()
    assert np.unique(mosaic(small[None])).tolist() == [0, 0.25, 0.5, 1]
    single = mosaic(np.array([0.0, 1.0, 4.0]).reshape(3, 1, 1))  # maps of one value are scaled together
    assert np.unique(single[~np.isnan(single)]).tolist() == [0, 0.25, 1]


def test_the_most_varied_channels_come_first_whatever_their_level():
    noise = RNG.normal(size=(2, 1, 6, 6))
    maps = np.concatenate([noise + 100, 5 * noise, 0 * noise, 2 * noise], axis=1)
    assert most_varied(maps, 3).tolist() == [1, 3, 0]
