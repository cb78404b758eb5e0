"""Tables of a data set, and the sheet with one image of each kind."""

import numpy as np

from datamodules.manifest.splits import split
from datamodules.summary import class_counts, overview
from karyocyte.config.data import SplitConfig
from tests.helpers.images import scan_folder, write_class_folders, write_image
from tests.helpers.manifests import make_manifest


def test_sizes_and_channels_span_all_images(tmp_path):
    root = write_class_folders(tmp_path / "data", {"a": 3, "b": 3})
    write_image(root / "a" / "wide.png", np.tile(np.arange(90, dtype=np.uint8), (20, 1)))
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
