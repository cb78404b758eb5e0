"""One image of each kind on one sheet, the truth outlined there and nowhere else."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from common.errors import UserError
from datamodules import summary as module
from datamodules.sources import scan
from datamodules.sources.chromosomes import ChromosomesConfig
from datamodules.sources.composed_karyograms import ComposedKaryogramsConfig
from datamodules.summary import write_kind_sheet
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import scan_folder, write_class_folders

DATA = {
    "source": "composed_karyograms",
    "positive_class": "abnormal",
    "chromosomes": ChromosomesConfig(source="chromosomes"),
}


def test_each_kind_is_drawn_once_with_its_truth_in_red(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=3)
    data = ComposedKaryogramsConfig(**DATA, derived={"gain": 2, "sex_loss": 1})
    manifest = scan(data, str(root), tmp_path / "cache", progress=False)
    before = [hashlib.sha256(manifest.file(row).read_bytes()).hexdigest() for row in range(len(manifest.frame))]
    assert write_kind_sheet(manifest, tmp_path / "sheet.png") == 3
    panels = np.array_split(np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int), 3, axis=1)
    red = [((panel[..., 0] > 200) & (panel[..., 1] < 60)).sum() for panel in panels]
    assert red[0] == 0
    assert min(red[1:]) > 50
    after = [hashlib.sha256(manifest.file(row).read_bytes()).hexdigest() for row in range(len(manifest.frame))]
    assert after == before


def test_titles_name_kind_and_karyotype(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(module.Axes, "set_title", lambda axes, text, **keys: titles.append(text))
    root = write_chromosomes(tmp_path / "data", cases=3)
    data = ComposedKaryogramsConfig(**DATA, gained=("21",), derived={"gain": 1})
    manifest = scan(data, str(root), tmp_path / "cache", progress=False)
    write_kind_sheet(manifest, tmp_path / "sheet.png")
    parent = manifest.frame["cell"].iloc[-1]
    assert titles == ["normal (real): case0.0\n46,XY", f"gain (derived): {parent}_gain\n47,XY,+21"]


def test_images_of_no_known_kind_are_drawn_by_class(tmp_path):
    manifest = scan_folder(write_class_folders(tmp_path / "data", {"a": 3, "b": 3}), tmp_path / "cache")
    assert write_kind_sheet(manifest, tmp_path / "sheet.png") == 2
    with pytest.raises(UserError, match="sheet.pgn: a PNG file is written"):
        write_kind_sheet(manifest, tmp_path / "sheet.pgn")
