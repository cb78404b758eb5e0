"""The pictures of docs/explanation/ show what their pages say."""

import pytest
from PIL import Image

from docs.drawings import assignment, few_labels, intervals, stages


@pytest.mark.parametrize("module", [assignment, few_labels, intervals, stages], ids=lambda module: module.__name__)
def test_a_picture_is_drawn_and_small(module, tmp_path, monkeypatch):
    monkeypatch.setattr(intervals, "STUDIES", 3)
    module.draw(tmp_path / "picture.png")
    assert Image.open(tmp_path / "picture.png").width > 800
    assert (tmp_path / "picture.png").stat().st_size < 150_000
