"""Pictures of explanations: colours over an image, and tiled channels."""

import numpy as np

from karyocyte.workflows.explain.plots import channel_picture, heat_colours, overlay

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


def test_each_channel_has_its_own_range_and_place():
    small, large = np.array([[0.0, 1.0], [2.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 1000.0]])
    picture = channel_picture(np.stack([small, large, np.ones((2, 2))]))
    is_gray = np.ptp(picture, axis=2) == 0
    (rows,), (columns,) = (np.where(is_gray.any(axis=axis)) for axis in (1, 0))
    tiles = np.split(picture[rows][:, columns, 0], 2)
    left, right = (np.split(tile, 2, axis=1) for tile in tiles)
    assert np.unique(left[0]).tolist() == [0, 64, 128, 255]
    assert np.unique(left[1]).tolist() == [0, 255]
    assert np.unique(right[0]).tolist() == [0]  # a constant channel is black
    assert not is_gray[rows][:, columns][right[0].shape[0] :, right[0].shape[1] :].any()
    assert np.unique(channel_picture(small[None])).tolist() == [0, 64, 128, 255]
