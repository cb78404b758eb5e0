"""Heat laid over images, and the figures of it."""

import numpy as np
from PIL import Image

from evaluation.explain.plots import Panel, coloured, in_rows, overlay, panel_grid

IMAGE = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)


def test_no_heat_leaves_the_image_and_the_hottest_place_is_red():
    assert np.array_equal(overlay(IMAGE, np.zeros((40, 40))), IMAGE)
    heat = np.zeros((40, 40))
    heat[5, 7] = 1.0
    laid = overlay(np.full_like(IMAGE, 128), heat).astype(int)
    assert laid[5, 7, 0] > laid[5, 7, 1:].max()
    assert (laid[0, 0] == 128).all()
    assert coloured(heat).dtype == np.uint8
    assert len(np.unique(coloured(np.linspace(0, 1, 64)[None]).reshape(-1, 3), axis=0)) > 50


def test_rows_are_filled_up():
    panels = [Panel(IMAGE)] * 5
    rows = in_rows(panels, 3)
    assert [len(row) for row in rows] == [3, 3]
    assert rows[1][2] is None


def test_a_figure_has_all_panels_and_an_outline(tmp_path):
    place = np.zeros((40, 40), bool)
    place[10:20, 10:20] = True
    heat = np.zeros((40, 40))
    heat[12, 12] = 1
    white = np.full_like(IMAGE, 255)
    about = {"name": "tiny", "source": "cnmc"}
    for name, panel in {
        "plain": Panel(white, "one\ntwo"),
        "outlined": Panel(white, "one\ntwo", heat=heat, place=place, point=(12, 12)),
    }.items():
        panel_grid(tmp_path / f"{name}.png", [[panel, None]], ["first", ""], about, "note")
    sizes = [Image.open(tmp_path / f"{name}.png") for name in ("plain", "outlined")]
    assert abs(sizes[0].size[0] - sizes[1].size[0]) < 5
    dark = [int((np.asarray(one.convert("L")) < 90).sum()) for one in sizes]
    assert dark[1] > dark[0] + 100  # the outline and the cross
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outlined.png", "plain.png"]
