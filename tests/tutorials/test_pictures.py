"""Pictures of the tutorials: small files, made from figures and pages."""

import numpy as np
import pytest
from PIL import Image

from docs.pictures import PICTURES, WIDTH, chromium, find_browser, opened, shrink, take

LARGEST = 300_000  # bytes


def test_every_picture_is_small():
    assert all(path.stat().st_size < LARGEST for path in PICTURES.iterdir())


def test_a_figure_is_cut_and_shrunk(tmp_path):
    Image.fromarray(np.full((400, 2 * WIDTH), 200, np.uint8)).save(tmp_path / "figure.png")
    shrink(tmp_path / "figure.png", tmp_path / "picture.png", 0.5)
    assert Image.open(tmp_path / "picture.png").size == (WIDTH, 100)


@pytest.mark.skipif(find_browser() is None, reason="no Chromium or Chrome on this machine")
def test_a_part_of_a_page_is_taken(tmp_path):
    (tmp_path / "page.html").write_text("<p>not</p><div style='width: 200px; height: 100px'>this</div>")
    with chromium() as browser:
        take(opened(browser, tmp_path / "page.html", (400, 300)), tmp_path / "part.png", "div")
    assert Image.open(tmp_path / "part.png").size == (300, 150)
