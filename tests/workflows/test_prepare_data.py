"""The sheet with one image of each kind."""

import pytest

from common.errors import UserError
from datamodules.sources import scan
from datamodules.sources.chromosomes import ChromosomesConfig
from datamodules.sources.composed_karyograms import ComposedKaryogramsConfig
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import scan_folder, write_class_folders
from workflows import prepare_data
from workflows.prepare_data import draw_kinds

DATA = {
    "source": "composed_karyograms",
    "positive_class": "abnormal",
    "chromosomes": ChromosomesConfig(source="chromosomes"),
}


def test_each_kind_is_drawn_once_with_its_karyotype(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(prepare_data, "draw_sheet", lambda path, about, strips, *size: drawn.extend(strips[""]))
    root = write_chromosomes(tmp_path / "data", cases=3)
    data = ComposedKaryogramsConfig(**DATA, derived={"gain": 2, "sex_loss": 1})
    manifest = scan(data, str(root), tmp_path / "cache", progress=False)
    assert draw_kinds(tmp_path / "sheet.png", manifest) == 3
    titles = [[text for text, _ in lines] for _, lines in drawn]
    assert titles[0] == ["normal (real): case0.0", "46,XY"]
    assert titles[1][1] in ("47,XY,+13", "47,XY,+18", "47,XY,+21")
    assert titles[2][1] == "45,X"


def test_images_without_kinds_are_drawn_by_class(tmp_path):
    manifest = scan_folder(write_class_folders(tmp_path / "data", {"a": 3, "b": 3}), tmp_path / "cache")
    assert draw_kinds(tmp_path / "sheet.png", manifest) == 2
    assert (tmp_path / "sheet.png").is_file()
    with pytest.raises(UserError, match="sheet.pgn: a PNG file is written"):
        draw_kinds(tmp_path / "sheet.pgn", manifest)
