"""The sheet with one image of each kind."""

import hashlib

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


def test_each_kind_is_drawn_once_with_its_name_and_its_truth_in_red(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(prepare_data, "draw_sheet", lambda path, about, strips, *size: drawn.extend(strips[""]))
    root = write_chromosomes(tmp_path / "data", cases=3)
    data = ComposedKaryogramsConfig(**DATA, gained=("21",), derived={"gain": 2, "sex_loss": 1})
    manifest = scan(data, str(root), tmp_path / "cache", progress=False)
    assert draw_kinds(tmp_path / "sheet.png", manifest) == 3
    titles = [[text for text, _ in lines] for _, lines in drawn]
    assert titles[0] == ["normal (real): case0.0", "46,XY"]
    assert [title[1] for title in titles[1:]] == ["47,XY,+21", "45,X"]
    red = [((image[..., 0] > 200) & (image[..., 1] < 60)).sum() for image, _ in drawn]
    assert red[0] == 0
    assert min(red[1:]) > 50
    files = [hashlib.sha256(manifest.file(row).read_bytes()).hexdigest() for row in range(len(manifest.frame))]
    assert files == manifest.frame["sha256"].tolist()


def test_images_without_kinds_are_drawn_by_class(tmp_path):
    manifest = scan_folder(write_class_folders(tmp_path / "data", {"a": 3, "b": 3}), tmp_path / "cache")
    assert draw_kinds(tmp_path / "sheet.png", manifest) == 2
    assert (tmp_path / "sheet.png").is_file()
    with pytest.raises(UserError, match="sheet.pgn: a PNG file is written"):
        draw_kinds(tmp_path / "sheet.pgn", manifest)
