"""Tables of a data set, and the sheet with one image of each kind."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from common.config.data import SplitConfig
from common.errors import UserError
from datamodules import summary as module
from datamodules.manifest.splits import split
from datamodules.sources import scan
from datamodules.sources.chromosomes import ChromosomesConfig
from datamodules.sources.composed_karyograms import ComposedKaryogramsConfig
from datamodules.summary import class_counts, overview, write_kind_sheet
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import scan_folder, write_class_folders, write_image
from tests.helpers.manifests import make_manifest


def test_sizes_and_channels_span_all_images(tmp_path):
    root = write_class_folders(tmp_path / "data", {"a": 3, "b": 3})
    write_image(root / "a" / "wide.png", np.full((20, 90), 7, np.uint8))
    row = overview(scan_folder(root, tmp_path / "cache"), None).iloc[0]
    assert row.to_dict() == {"data": "folder", "images": "7", "size": "40 x 20 to 90 x 40", "channels": "1, 3"}


def test_parts_are_counted_by_class():
    manifest = make_manifest(["a"] * 1500 + ["b"] * 500)
    parts = split(manifest, "image", SplitConfig(), None)
    row = overview(manifest, parts).iloc[0]
    assert row[["images", "train", "validation", "test"]].tolist() == ["2,000", "1,200", "400", "400"]
    assert row["size"] == "40 x 40"
    counts = class_counts(manifest, parts)
    assert counts["class"].tolist() == ["a", "b", "(sum)"]
    assert counts["train"].tolist() == ["900", "300", "1,200"]
    assert "unused" not in counts


def test_images_without_a_label_and_a_class_called_all_have_rows_of_their_own():
    manifest = make_manifest(["all"] * 30 + ["hem"] * 30 + [None] * 4)
    counts = class_counts(manifest, split(manifest, "image", SplitConfig(), None))
    assert counts["class"].tolist() == ["all", "hem", "(no label)", "(sum)"]
    assert counts["images"].tolist() == ["30", "30", "4", "64"]
    assert counts["unused"].tolist() == ["0", "0", "4", "4"]
    assert class_counts(manifest, None).columns.tolist() == ["class", "images"]


DATA = {
    "source": "composed_karyograms",
    "positive_class": "abnormal",
    "chromosomes": ChromosomesConfig(source="chromosomes"),
}


def test_each_kind_is_drawn_once_with_its_name_and_its_truth_in_red(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(module.Axes, "set_title", lambda axes, text, **keys: titles.append(text))
    root = write_chromosomes(tmp_path / "data", cases=3)
    data = ComposedKaryogramsConfig(**DATA, gained=("21",), derived={"gain": 2, "sex_loss": 1})
    manifest = scan(data, str(root), tmp_path / "cache", progress=False)
    assert write_kind_sheet(manifest, tmp_path / "sheet.png") == 3
    assert titles[0] == "normal (real): case0.0\n46,XY"
    assert [title.rpartition("_")[2] for title in titles[1:]] == ["gain\n47,XY,+21", "loss\n45,X"]
    panels = np.array_split(np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int), 3, axis=1)
    red = [((panel[..., 0] > 200) & (panel[..., 1] < 60)).sum() for panel in panels]
    assert red[0] == 0
    assert min(red[1:]) > 50
    files = [hashlib.sha256(manifest.file(row).read_bytes()).hexdigest() for row in range(len(manifest.frame))]
    assert files == manifest.frame["sha256"].tolist()


def test_images_without_kinds_are_drawn_by_class(tmp_path):
    manifest = scan_folder(write_class_folders(tmp_path / "data", {"a": 3, "b": 3}), tmp_path / "cache")
    assert write_kind_sheet(manifest, tmp_path / "sheet.png") == 2
    with pytest.raises(UserError, match="sheet.pgn: a PNG file is written"):
        write_kind_sheet(manifest, tmp_path / "sheet.pgn")
