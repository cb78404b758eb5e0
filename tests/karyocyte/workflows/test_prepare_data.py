"""The sheet with one image of each kind."""

import numpy as np
import pytest
from PIL import Image

from cytogenetics.config.sources import ComposedKaryogramsConfig
from karyocyte.common.errors import UserError
from karyocyte.config.sources import ChromosomesConfig
from karyocyte.workflows import prepare_data
from karyocyte.workflows.prepare_data import crop_sizes, draw_kinds
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import scan_folder, write_class_folders
from tests.helpers.sources import scan
from tests.helpers.training import small_config

DATA = {
    "source": "composed_karyograms",
    "positive_class": "abnormal",
    "chromosomes": ChromosomesConfig(source="chromosomes"),
}


def test_each_kind_is_drawn_once(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(prepare_data, "draw_sheet", lambda path, about, strips, *size: drawn.extend(strips[0][1]))
    root = write_chromosomes(tmp_path / "data", cases=3)
    data = ComposedKaryogramsConfig(**DATA, derived={"gain": 2, "sex_loss": 1})
    manifest = scan(data, str(root), tmp_path / "cache", progress=False)
    assert draw_kinds(tmp_path / "sheet.png", manifest) == 3
    titles = [text for _, lines in drawn for text, _ in lines]
    assert titles[0] == "normal: case0.0"
    assert sorted(title.partition(":")[0] for title in titles[1:]) == sorted(
        set(manifest.frame["kind"].dropna()) - {"normal"}
    )


def test_crops_are_counted_by_their_longer_side(tmp_path):
    root = tmp_path / "data"
    for name, sides in {"a": [(223, 100), (224, 224), (300, 10)], "b": [(301, 299), (300, 300)]}.items():
        (root / name).mkdir(parents=True)
        for number, (height, width) in enumerate(sides):
            image = np.zeros((450, 450, 3), np.uint8)
            image[50 : 50 + height, 20 : 20 + width] = 200
            Image.fromarray(image).save(root / name / f"{number}.png")
    counts = crop_sizes(scan_folder(root, tmp_path / "cache"), small_config(tmp_path, "prepare.clahe=true"))
    assert counts.set_index("class").to_numpy().tolist() == [[3, 1, 3, 1, 0], [2, 0, 1, 2, 1], [5, 1, 4, 3, 1]]
    assert counts["class"].tolist() == ["a", "b", "(sum)"]


def test_images_without_kinds_are_drawn_by_class(tmp_path):
    manifest = scan_folder(write_class_folders(tmp_path / "data", {"a": 3, "b": 3}), tmp_path / "cache")
    assert draw_kinds(tmp_path / "sheet.png", manifest) == 2
    assert (tmp_path / "sheet.png").is_file()
    with pytest.raises(UserError, match="sheet.pgn: a PNG file is written"):
        draw_kinds(tmp_path / "sheet.pgn", manifest)
