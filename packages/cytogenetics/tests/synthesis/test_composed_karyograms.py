"""Karyograms composed from single chromosomes: what is made of which cell, once, and the same every time."""

import csv
import re
import shutil

import cv2
import numpy as np
import pytest

from cytogenetics.config.sources import ComposedKaryogramsConfig, DerivedConfig
from cytogenetics.synthesis import composed_karyograms
from cytogenetics.synthesis.composed_karyograms import read_karyograms
from datamodules.io.decode import read_image
from karyocyte.common.errors import UserError
from karyocyte.composition.compose import check_config
from karyocyte.config.sources import ChromosomesConfig
from tests.helpers.chromosomes import bar, write_chromosomes, write_table
from tests.helpers.images import break_image, write_image
from tests.helpers.manifests import rows_of
from tests.helpers.real_data import real_data
from tests.helpers.sources import list_images, scan
from tests.helpers.training import composed

TABLE = ChromosomesConfig(source="chromosomes")
DATA = ComposedKaryogramsConfig(
    source="composed_karyograms", positive_class="abnormal", chromosomes=TABLE,
    derived=DerivedConfig(gain=3, sex_loss=2),
)  # fmt: skip


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """Cells of seven cases: 0 has a third 21, 1 lacks a 9, 2 a 9 and a 10; the others are 46,XY."""
    root = write_chromosomes(tmp_path_factory.mktemp("data"), cases=7, copies=2)
    rows = list(csv.DictReader((root / "labels.csv").open()))
    write_image(root / "21/third.png", bar(21, seed=77, white=True))
    rows.append({"path": "21/third.png", "case_id": "case0", "cell_id": "case0.0", "class": 21})
    gone = {"09/case1.0_09_0.png", "09/case2.0_09_0.png", "10/case2.0_10_1.png"}
    write_table(root / "labels.csv", [row for row in rows if row["path"] not in gone])
    return root


@pytest.fixture(scope="module")
def drawn(bars, tmp_path_factory):
    """The default listing."""
    return listed(bars, tmp_path_factory.mktemp("cache"))


def listed(root, cache, **keys):
    config = ComposedKaryogramsConfig(**{**DATA.model_dump(), **keys})
    return list_images(config, root, cache, progress=False)


def replace_in_table(root, *pairs):
    text = (root / "labels.csv").read_text()
    for old, new in pairs:
        text = text.replace(old, new)
    (root / "labels.csv").write_text(text)


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def composed_folders(cache):
    return [entry.name for entry in cache.iterdir() if entry.is_dir() and entry.name != "scan"]


def test_counts_give_the_class_and_the_kind_of_real_cells(drawn):
    real = {record.image_id: record for record in rows_of(drawn) if record.image_id == record.cell}
    assert drawn.classes == ("normal", "abnormal")
    assert sorted(real) == ["case0.0", "case3.0", "case4.0", "case5.0", "case6.0"]
    assert real["case0.0"][1:7] == ("abnormal/case0.0.png", "abnormal", "case0", None, "case0.0", "trisomy")
    assert {record.kind for record in real.values()} == {"trisomy", "normal"}
    assert drawn.notes == (
        "320 chromosomes of 7 cells and 7 subjects",
        "5 real karyograms: 1 trisomy, 4 normal",
        "5 derived karyograms: 3 gain, 2 sex_loss",
        "cells left out: 1 preparation_loss, 1 unclear (their counts make no sure karyotype)",
    )


def test_derived_karyograms_keep_cell_and_subject_of_their_parents(drawn, bars, tmp_path):
    derived = [record for record in rows_of(drawn) if record.image_id != record.cell]
    assert [record.kind for record in derived] == ["gain"] * 3 + ["sex_loss"] * 2
    for record in derived:
        assert record.image_id == f"{record.cell}_{record.kind}"
        assert record.path == f"abnormal/{record.image_id}.png"
        assert (record.label, record.group) == ("abnormal", "derived")
        assert record.subject == record.cell.removesuffix(".0")
    normal = [record.cell for record in rows_of(drawn) if record.kind == "normal"]
    uses = [sum(record.cell == cell for record in derived) for cell in normal]
    assert (sum(uses), max(uses) - min(uses)) == (5, 1)
    table = read_karyograms(drawn.root)
    drawn_ones = ["case5.0_gain", "case4.0_gain", "case6.0_gain", "case3.0_sex_loss", "case4.0_sex_loss"]
    assert [name for name in table["image_id"] if "_" in name] == drawn_ones  # the same in every version
    other = read_karyograms(listed(bars, tmp_path, seed=1).root)
    assert not other[["image_id", "iscn"]].equals(table[["image_id", "iscn"]])


def test_pictures_and_table_fit_together(drawn):
    table = read_karyograms(drawn.root).set_index("image_id")
    iscn = {"gain": r"47,XY,\+(13|18|21)", "sex_loss": "45,X", "trisomy": r"47,XY,\+21", "normal": "46,XY"}
    for record in rows_of(drawn):
        row = table.loc[record.image_id]
        pixels = cv2.imread(str(drawn.root / record.path), cv2.IMREAD_UNCHANGED)
        assert (pixels.shape, pixels.dtype) == ((640, 832), np.uint8)
        assert re.fullmatch(iscn[record.kind], row["iscn"])
        assert float(row["scale"]) == 1.1


def test_karyograms_are_composed_once_and_again_where_a_file_is_missing(bars, tmp_path, monkeypatch):
    first = listed(bars, tmp_path)
    before = files(first.root)
    with monkeypatch.context() as patch:
        patch.setattr(composed_karyograms, "compose", lambda *_: pytest.fail("composed again"))
        second = listed(bars, tmp_path)
    assert (rows_of(second), second.notes) == (rows_of(first), first.notes)
    (first.root / "abnormal" / "case0.0.png").unlink()
    (tmp_path / f".{first.root.name}-killed").mkdir()
    listed(bars, tmp_path)
    assert files(first.root) == before
    assert composed_folders(tmp_path) == [first.root.name]


def test_what_changes_a_picture_has_a_folder_of_its_own(drawn, bars, tmp_path, monkeypatch):
    """As with `drawn`, in its cache: none of these may be served what lies there."""
    cache = drawn.root.parent
    same = {"augmented": {"normal": 2.0, "abnormal": 2.0}, "on_broken": "skip", "paper_split": None}
    assert listed(bars, cache, **same).root == drawn.root
    roots = {drawn.root}
    for changes in ({"seed": 3}, {"derived": {"gain": 2}}):
        roots.add(listed(bars, cache, **changes).root)
    root = shutil.copytree(bars, tmp_path / "data")
    write_image(root / "21/third.png", bar(21, seed=78, white=True))
    roots.add(listed(root, cache).root)
    monkeypatch.setattr(composed_karyograms, "COMPOSER_VERSION", 99)
    roots.add(listed(bars, cache).root)
    assert len(roots) == 5


def test_the_order_of_the_table_does_not_matter(drawn, bars, tmp_path):
    root = shutil.copytree(bars, tmp_path / "data")
    rows = list(csv.DictReader((root / "labels.csv").open()))
    np.random.default_rng(0).shuffle(rows)
    write_table(root / "labels.csv", rows)
    again = listed(root, tmp_path / "cache")
    assert rows_of(again) == rows_of(drawn)
    assert files(again.root) == files(drawn.root)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"derived": {"gain": 5}}, r"data.derived.gain=5: there are 4 normal cells.* 4 at most"),
        ({"chromosomes": {**TABLE.model_dump(), "cell_column": "cell"}}, "set data.chromosomes.cell_column"),
        (
            {"chromosomes": {**TABLE.model_dump(), "cell_column": None}},
            "has no cell.* data.chromosomes.cell_column, or data.chromosomes.cell_regex",
        ),
    ],
)
def test_mistakes_are_named_and_leave_nothing(bars, tmp_path, keys, message):
    with pytest.raises(UserError, match=message):
        listed(bars, tmp_path, **keys)
    assert composed_folders(tmp_path) == []


def test_a_cell_with_a_broken_chromosome_is_left_out_whole(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=5)
    break_image(root / "21/case2.0_21_0.png")
    with pytest.raises(UserError, match=r"broken image .*21_0.png.* data.chromosomes.on_broken=skip"):
        listed(root, tmp_path / "cache")
    listing = listed(root, tmp_path / "cache", chromosomes={**TABLE.model_dump(), "on_broken": "skip"})
    assert "case2.0" not in {record.cell for record in rows_of(listing)}
    assert "1 cells left out, since a chromosome of theirs is broken" in listing.notes
    assert "cell case2.0" in listing.skipped


def test_a_cell_may_have_any_name_and_no_file_leaves_the_folder(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=3)
    replace_in_table(root, (",case0.0,", ",../../évil,"), (",case1.0,", ",a b,"), (",case2.0,", ",a_b,"))
    listing = listed(root, tmp_path / "cache", derived={"gain": 3})
    assert {record.cell for record in rows_of(listing)} == {"../../évil", "a b", "a_b"}
    paths = {(listing.root / record.path).resolve() for record in rows_of(listing)}
    assert len(paths) == 6
    assert all(path.is_relative_to(listing.root.resolve()) and path.is_file() for path in paths)


def test_the_embedded_default_needs_no_data(tmp_path):
    small = ["data.chromosomes.cells=4", "data.chromosomes.cases=4", "data.chromosomes.abnormal=0.3"]
    none = [f"data.derived.{kind}=0" for kind in DerivedConfig.model_fields if kind != "sex_loss"]
    config = check_config(composed(["data=synthetic_karyograms", *small, *none, "data.derived.sex_loss=2"]))
    manifest = scan(config.data, None, tmp_path, progress=False)
    assert manifest.synthetic
    assert (read_image(manifest.file(0)) < 255).any()
    assert "synthetic: procedurally generated chromosomes, no patients" in manifest.notes
    assert manifest.frame["kind"].value_counts()["sex_loss"] == 2
    assert manifest.positive_class == "abnormal"


@pytest.mark.slow
def test_the_612_real_cells_give_as_many_abnormal_as_normal_karyograms(tmp_path):
    config = check_config(composed(["data=composed_karyograms"]))
    listing = list_images(config.data, real_data("chromosomes_612cells"), tmp_path, progress=False)
    assert "490 real karyograms: 472 normal, 8 sex_aneuploidy, 10 trisomy" in listing.notes
    assert "cells left out: 19 preparation_loss, 4 unclear (" in listing.notes[3]
    assert sum(record.label == "abnormal" for record in rows_of(listing)) == 178
    scales = read_karyograms(listing.root)["scale"].astype(float)
    assert (scales < 1.1).mean() < 0.01
