"""Karyograms composed from single chromosomes: what is made of which cell, once, and the same every time."""

import csv
import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from common.config.compose import check_config
from common.errors import UserError
from datamodules.io.decode import read_image
from datamodules.sources import composed_karyograms as composed_module
from datamodules.sources import list_images, scan
from datamodules.sources.chromosomes import ChromosomesConfig
from datamodules.sources.composed_karyograms import ComposedKaryogramsConfig
from datamodules.synthesis import karyogram_writer as module
from datamodules.synthesis.config import DerivedConfig
from datamodules.synthesis.karyogram_writer import read_karyograms
from tests.helpers.chromosomes import bar, write_chromosomes, write_table
from tests.helpers.images import break_image, write_image
from tests.helpers.real_data import real_data
from tests.helpers.training import composed

TABLE = ChromosomesConfig(source="chromosomes")
DATA = ComposedKaryogramsConfig(
    source="composed_karyograms",
    positive_class="abnormal",
    chromosomes=TABLE,
    derived=DerivedConfig(gain=3, sex_loss=2),
)


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
    return list_images(DATA, str(bars), tmp_path_factory.mktemp("cache"), progress=False)


def changed(**keys) -> ComposedKaryogramsConfig:
    return ComposedKaryogramsConfig(**{**DATA.model_dump(), **keys})


def files(folder) -> dict:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_counts_say_the_class_and_the_kind_of_real_cells(drawn):
    real = {record.image_id: record for record in drawn.records if record.image_id == record.cell}
    assert drawn.classes == ("normal", "abnormal")
    assert sorted(real) == ["case0.0", "case3.0", "case4.0", "case5.0", "case6.0"]
    assert real["case0.0"][1:7] == ("abnormal/case0.0.png", "abnormal", "case0", None, "case0.0", "trisomy")
    assert {record.kind for record in real.values()} == {"trisomy", "normal"}
    assert drawn.notes == (
        "320 chromosomes of 7 cells and 7 subjects",
        "5 real karyograms: 1 trisomy, 4 normal",
        "5 derived karyograms: 3 gain, 2 sex_loss",
        "cells left out: 1 preparation_loss, 1 unclear (their counts make no sure karyotype; "
        "data.preparation_loss=class keeps those that lack one autosome)",
    )


def test_what_is_derived_keeps_cell_and_subject_of_its_parent(drawn):
    derived = [record for record in drawn.records if record.image_id != record.cell]
    assert [record.kind for record in derived] == ["gain"] * 3 + ["sex_loss"] * 2
    for record in derived:
        assert record.image_id == f"{record.cell}_{record.kind}"
        assert record.path == f"abnormal/{record.image_id}.png"
        assert record.label == "abnormal"
        assert record.subject == record.cell.removesuffix(".0")


def test_parents_are_normal_used_once_per_kind_and_evenly(drawn, bars, tmp_path):
    table = read_karyograms(drawn.root)
    derived = table[table["origin"] == "derived"]
    normal = set(table.loc[table["kind"] == "normal", "cell"])
    assert set(derived["cell"]) <= normal
    assert not derived.duplicated(["cell", "kind"]).any()
    uses = derived["cell"].value_counts().reindex(sorted(normal), fill_value=0)
    assert uses.max() - uses.min() <= 1
    other = list_images(changed(seed=1), str(bars), tmp_path, progress=False)
    again = read_karyograms(other.root)
    assert (
        again.loc[again["origin"] == "derived", "image_id"].tolist() != derived["image_id"].tolist()
        or (again["iscn"] != table["iscn"]).any()
    )


def test_each_cell_may_stand_once(bars, drawn, tmp_path):
    data = changed(parents="leave_out", derived={"gain": 1, "sex_loss": 2})
    once = list_images(data, str(bars), tmp_path, progress=False)
    assert len({record.cell for record in once.records}) == len(once.records) == 5
    assert [record.label for record in once.records].count("normal") == 1
    assert any("each cell is used once" in note for note in once.notes)
    with pytest.raises(UserError, match=r"data.parents=leave_out leaves no normal karyogram: lower .*data.derived"):
        list_images(changed(parents="leave_out"), str(bars), tmp_path, progress=False)


def test_a_cell_that_would_be_changed_twice_does_not_stand_once():
    rows = [("c1", "real"), ("c2", "real"), ("c2", "derived"), ("c2", "derived"), ("c3", "real")]
    table = pd.DataFrame(rows, columns=["cell", "origin"]).assign(label="normal")
    with pytest.raises(UserError, match=r"data.parents=leave_out: cell c2 would be changed more than once: lower"):
        composed_module._without_parents(table)
    assert composed_module._without_parents(table.drop(index=3))["cell"].tolist() == ["c1", "c2", "c3"]


def test_rules_that_cannot_be_are_said_before_a_chromosome_is_read(tmp_path):
    data = changed(gained=("Z",))
    with pytest.raises(UserError, match="data.gained: Z: name autosomes"):
        list_images(data, str(tmp_path / "nowhere"), tmp_path / "cache", progress=False)


@pytest.mark.parametrize("derived", [{"inversion": 2}, {"gain": 2}])
def test_an_empty_picture_of_a_chromosome_is_named(tmp_path, derived):
    root = write_chromosomes(tmp_path / "data", cases=2)
    write_image(root / "13/case1.0_13_0.png", np.full((40, 20, 3), 255, np.uint8))
    said = r"^13/case1.0_13_0.png: no chromosome of class 13 to be seen: replace the picture, or take its cell out"
    with pytest.raises(UserError, match=said):
        list_images(changed(derived=derived), str(root), tmp_path / "cache", progress=False)


def test_pictures_truth_and_tables_fit_together(drawn):
    table = read_karyograms(drawn.root).set_index("image_id")
    iscn = {"gain": r"47,XY,\+(13|18|21)", "sex_loss": "45,X", "trisomy": r"47,XY,\+21", "normal": "46,XY"}
    for record in drawn.records:
        row = table.loc[record.image_id]
        pixels = cv2.imread(str(drawn.root / record.path), cv2.IMREAD_UNCHANGED)
        assert pixels.shape == DATA.sheet.size
        assert pixels.dtype == np.uint8
        assert pd.Series(row["iscn"]).str.fullmatch(iscn[record.kind]).all()
        assert float(row["scale"]) == DATA.sheet.scale
        boxes = drawn.places[drawn.places["image_id"] == record.image_id]
        assert len(boxes) == int(row["iscn"].split(",")[0])
        assert bool(row["truth"]) == (record.label != "normal")
        if row["truth"]:
            truth = cv2.imread(str(drawn.root / row["truth"]), cv2.IMREAD_UNCHANGED)
            assert truth.shape == pixels.shape
            assert set(np.unique(truth)) == {0, 255}
        assert json.loads(row["facts"]).get("kind") == (record.kind if row["origin"] == "derived" else None)


def test_the_manifest_has_kinds_and_places(bars, tmp_path):
    manifest = scan(DATA, str(bars), tmp_path, progress=False)
    assert set(manifest.frame["kind"]) == {"normal", "trisomy", "gain", "sex_loss"}
    assert not manifest.synthetic
    assert manifest.places.columns.tolist() == ["image_id", "chromosome", "x", "y", "width", "height"]
    assert (read_image(manifest.file(0)) < 255).any()


def test_it_is_composed_once_and_again_where_a_file_is_missing(bars, tmp_path, monkeypatch):
    first = list_images(DATA, str(bars), tmp_path, progress=False)
    before, made = files(first.root), []
    real_compose = module.compose
    monkeypatch.setattr(module, "compose", lambda *args: (made.append(1), real_compose(*args))[1])
    second = list_images(DATA, str(bars), tmp_path, progress=False)
    assert made == []
    assert second.records == first.records
    assert second.places.equals(first.places)
    assert second.notes == first.notes
    (first.root / "truth" / "case0.0.png").unlink()
    list_images(DATA, str(bars), tmp_path, progress=False)
    assert len(made) == 10
    assert files(first.root) == before


def test_what_changes_a_picture_has_a_folder_of_its_own(drawn, bars, tmp_path, monkeypatch):
    """As with `drawn`, in its cache: none of these may be served what lies there."""
    cache, seen = drawn.root.parent, {drawn.root}
    losses = {"preparation_loss": "class", "positive_class": None}
    for keys in ({"derived": {"gain": 2}}, {"segment": (0.1, 0.3)}, losses):
        seen.add(list_images(changed(**keys), str(bars), cache, progress=False).root)
    root = shutil.copytree(bars, tmp_path / "data")
    write_image(root / "21/third.png", bar(21, seed=78, white=True))
    seen.add(list_images(DATA, str(root), cache, progress=False).root)
    monkeypatch.setattr(composed_module, "COMPOSER_VERSION", 99)
    seen.add(list_images(DATA, str(bars), cache, progress=False).root)
    assert len(seen) == 6


def test_what_does_not_change_a_picture_shares_the_folder(drawn, bars):
    cache = drawn.root.parent
    keys = {"augmented": {"normal": 2.0, "abnormal": 2.0}, "on_broken": "skip", "paper_split": None}
    assert list_images(changed(**keys), str(bars), cache, progress=False).root == drawn.root
    for keys in ({"seed": 3}, {"sheet": {"labels": False}}, {"gained": ("21",)}):
        assert list_images(changed(**keys), str(bars), cache, progress=False).root != drawn.root


def test_the_order_of_the_table_does_not_matter(drawn, bars, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(bars, root)
    rows = list(csv.DictReader((root / "labels.csv").open()))
    np.random.default_rng(0).shuffle(rows)
    write_table(root / "labels.csv", rows)
    again = list_images(DATA, str(root), tmp_path / "cache", progress=False)
    assert again.records == drawn.records
    assert files(again.root) == files(drawn.root)


def test_a_run_that_is_stopped_half_way_leaves_nothing(bars, tmp_path, monkeypatch):
    real_compose = module.compose

    def stop(cell, sheet):
        if cell.name == "case5.0":
            raise KeyboardInterrupt
        return real_compose(cell, sheet)

    monkeypatch.setattr(module, "compose", stop)
    with pytest.raises(KeyboardInterrupt):
        list_images(DATA, str(bars), tmp_path, progress=False)
    left = [entry.name for entry in tmp_path.iterdir() if entry.is_dir()]
    assert left == ["scan"]
    monkeypatch.undo()
    folder = list_images(DATA, str(bars), tmp_path, progress=False).root
    killed = tmp_path / f".{folder.name}-killed"
    killed.mkdir()
    shutil.rmtree(folder)
    list_images(DATA, str(bars), tmp_path, progress=False)
    assert not killed.exists()


def test_preparation_losses_are_a_class_of_their_own_when_asked_for(bars, tmp_path):
    data = changed(preparation_loss="class", positive_class=None, derived={"autosome_loss": 2, "gain": 1})
    listing = list_images(data, str(bars), tmp_path, progress=False)
    assert listing.classes == ("normal", "abnormal", "preparation_loss")
    lost = [record for record in listing.records if record.label == "preparation_loss"]
    assert [record.kind for record in lost] == ["preparation_loss", "autosome_loss", "autosome_loss"]
    assert lost[0].cell == "case1.0"
    assert listing.notes[-1] == "cells left out: 1 unclear (their counts make no sure karyotype)"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"derived": {"gain": 5}}, r"data.derived.gain=5: only 4 of the 4 normal cells .* ask for 4 at most"),
        ({"derived": {"autosome_loss": 1}}, "data.derived.autosome_loss=1 .* say data.preparation_loss=class"),
        ({"positive_class": None}, "positive class .* add data.positive_class=abnormal or data.positive_class=normal"),
        ({"positive_class": "trisomy"}, "data.positive_class=trisomy is no class"),
        (
            {"preparation_loss": "class"},
            r"data.positive_class=abnormal has no meaning with three .*positive_class=null",
        ),
        ({"gained": ("X",), "derived": {}}, "data.gained: X: name autosomes"),
        ({"sheet": {"size": (40, 40), "labels": False}}, r"data.sheet.size=\[40,40\] leaves no room"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(bars, tmp_path, keys, message):
    with pytest.raises(UserError, match=message):
        list_images(changed(**keys), str(bars), tmp_path, progress=False)
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir() and entry.name != "scan"]


def test_normal_cells_alone_are_one_class(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=3)
    with pytest.raises(UserError, match="two classes or more are needed, found: normal"):
        list_images(changed(derived={}), str(root), tmp_path / "cache", progress=False)
    data = changed(preparation_loss="class", positive_class=None, derived={"gain": 1})
    with pytest.raises(UserError, match="no karyogram of class preparation_loss among 3 cells: derive some"):
        list_images(data, str(root), tmp_path / "cache", progress=False)


def test_errors_of_the_chromosomes_name_the_keys_where_they_stand(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=2)
    elsewhere = changed(chromosomes={**TABLE.model_dump(), "cell_column": "cell"})
    with pytest.raises(UserError, match="no column cell: set data.chromosomes.cell_column to one of"):
        list_images(elsewhere, str(root), tmp_path / "cache", progress=False)
    nowhere = changed(chromosomes={**TABLE.model_dump(), "cell_column": None})
    with pytest.raises(UserError, match=r"has no cell, .*: set data.chromosomes.cell_column, or data.chromosomes.cell"):
        list_images(nowhere, str(root), tmp_path / "cache", progress=False)
    text = (root / "labels.csv").read_text()
    (root / "labels.csv").write_text(text.replace("case0.0,24", "case0.0,25"))
    with pytest.raises(UserError, match=r"labels.csv, row 47: class 25 is none of 1 to 24"):
        list_images(DATA, str(root), tmp_path / "cache", progress=False)


def test_a_cell_with_a_broken_chromosome_is_left_out_whole(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=5)
    break_image(root / "21/case2.0_21_0.png")
    with pytest.raises(UserError, match=r"broken image .*21_0.png.* data.chromosomes.on_broken=skip"):
        list_images(DATA, str(root), tmp_path / "cache", progress=False)
    keys = {"chromosomes": {**TABLE.model_dump(), "on_broken": "skip"}}
    listing = list_images(changed(**keys), str(root), tmp_path / "cache", progress=False)
    assert "case2.0" not in {record.cell for record in listing.records}
    assert "1 cells left out, since a chromosome of theirs is broken" in listing.notes
    assert "cell case2.0" in listing.skipped


def test_a_cell_may_have_any_name_and_no_file_leaves_the_folder(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=3)
    text = (root / "labels.csv").read_text()
    for old, new in (("case0.0", "../../évil"), ("case1.0", "a b"), ("case2.0", "a_b")):
        text = text.replace(f",{old},", f",{new},")
    (root / "labels.csv").write_text(text)
    listing = list_images(changed(derived={"gain": 3}), str(root), tmp_path / "cache", progress=False)
    scan(changed(derived={"gain": 3}), str(root), tmp_path / "cache", progress=False)
    assert {record.cell for record in listing.records} == {"../../évil", "a b", "a_b"}
    paths = [(listing.root / record.path).resolve() for record in listing.records]
    assert len(set(paths)) == 6
    assert all(path.is_relative_to(listing.root.resolve()) for path in paths)


def test_the_embedded_default_needs_no_data(tmp_path):
    small = ["data.chromosomes.cells=4", "data.chromosomes.cases=4", "data.chromosomes.abnormal=0.3"]
    none = [f"data.derived.{kind}=0" for kind in DerivedConfig.model_fields if kind != "translocation"]
    config = check_config(composed(["data=synthetic_karyograms", *small, *none, "data.derived.translocation=2"]))
    manifest = scan(config.data, None, tmp_path, progress=False)
    assert manifest.synthetic
    assert "synthetic: procedurally drawn chromosomes, no patients" in manifest.notes
    assert manifest.frame["kind"].value_counts()["translocation"] == 2
    assert manifest.positive_class == "abnormal"


def test_the_sheet_of_the_configuration_files_is_that_of_the_schema():
    for name in ("composed_karyograms", "synthetic_karyograms"):
        keys = composed([f"data={name}"]).data
        assert set(keys) == set(ComposedKaryogramsConfig.model_fields)
        data = check_config(composed([f"data={name}"])).data
        assert data.sheet == type(data.sheet)()


@pytest.mark.slow
def test_the_612_real_cells_give_as_many_abnormal_as_normal_karyograms(tmp_path):
    config = check_config(composed(["data=composed_karyograms"]))
    listing = list_images(config.data, str(real_data("chromosomes_612cells")), tmp_path, progress=False)
    assert "490 real karyograms: 472 normal, 8 sex_aneuploidy, 10 trisomy" in listing.notes
    assert "cells left out: 19 preparation_loss, 4 unclear (" in listing.notes[3]
    assert sum(record.label == "abnormal" for record in listing.records) == 478
    scales = read_karyograms(listing.root)["scale"].astype(float)
    assert (scales < config.data.sheet.scale).mean() < 0.01
