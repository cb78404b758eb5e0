"""Single chromosomes: by a table or by folders; every wrong label has a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config.schema import SplitConfig
from common.errors import UserError
from datamodules.manifest.leakage import check_leaks
from datamodules.manifest.splits import split
from datamodules.sources import list_images, scan
from datamodules.sources.chromosomes import CLASSES, ChromosomesConfig, class_of
from tests.helpers.chromosomes import bar, write_chromosomes
from tests.helpers.images import write_image
from tests.helpers.real_data import real_data

TABLE = ChromosomesConfig(source="chromosomes")
FOLDERS = ChromosomesConfig(source="chromosomes", file=None, cell_regex=r"^(.+)_\d+_\d+\.")


def _list(data, root, tmp_path):
    return list_images(data, str(root), tmp_path / "cache", progress=False)


def test_a_table_gives_class_case_and_cell(tmp_path):
    listing = _list(TABLE, write_chromosomes(tmp_path / "data", cases=2, cells=2), tmp_path)
    assert listing.classes == CLASSES == (*map(str, range(1, 23)), "X", "Y")
    assert listing.positive_class is None
    by_id = {record.image_id: record for record in listing.records}
    last = by_id["24/case1.0_24_0.png"]
    assert (last.label, last.subject, last.cell) == ("Y", "case1", "case1.0")
    assert listing.notes == ("184 chromosomes of 4 cells and 2 subjects",)


def test_without_cases_the_cell_is_the_subject(tmp_path):
    listing = _list(TABLE, write_chromosomes(tmp_path / "data", cases=2, by_case=False), tmp_path)
    assert {record.subject for record in listing.records} == {"case0.0", "case1.0"}
    assert all(record.subject == record.cell for record in listing.records)
    assert "cases are not known: each cell counts as a subject" in listing.notes[0]


def test_a_column_of_cases_that_the_user_names_must_be_there(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=2)
    with pytest.raises(UserError, match="no column pateint: set data.subject_column to one of path, case_id"):
        _list(TABLE.model_copy(update={"subject_column": "pateint"}), root, tmp_path)


def test_cells_of_two_cases_with_one_name_are_not_mixed_up(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=2)
    text = (root / "labels.csv").read_text()
    (root / "labels.csv").write_text(text.replace("case1,case1.0", "case1,case0.0"))
    with pytest.raises(UserError, match=r"cell case0.0 is of case0 .* and of case1 .*: give each cell a name"):
        _list(TABLE, root, tmp_path)


def test_folders_say_the_class_and_the_name_the_cell(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=2)
    (root / "labels.csv").unlink()
    (root / "23").rename(root / "X")
    by_folder = _list(FOLDERS, root, tmp_path)
    by_table = _list(TABLE, write_chromosomes(tmp_path / "again", cases=2, by_case=False), tmp_path)
    assert {(r.label, r.subject, r.cell) for r in by_folder.records} == {
        (r.label, r.subject, r.cell) for r in by_table.records
    }


def test_folders_without_an_expression_know_no_cells(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=1)
    listing = _list(ChromosomesConfig(source="chromosomes", file=None), root, tmp_path)
    assert {record.cell for record in listing.records} == {None}
    assert "cells are not known" in listing.notes[0]


@given(st.integers(1, 22), st.sampled_from(["{}", "{:02d}", "chr{}", " {} "]))
def test_a_class_may_be_written_in_many_ways(number, form):
    assert class_of(form.format(number)) == str(number)


@pytest.mark.parametrize(("text", "name"), [("23", "X"), ("24", "Y"), ("x", "X"), ("chrY", "Y")])
def test_23_is_x_and_24_is_y(text, name):
    assert class_of(text) == name


@pytest.mark.parametrize("text", ["0", "25", "", "-1", "1.0", "Z", "one", "chr", "٣"])
def test_anything_else_is_no_class(text):
    assert class_of(text) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("case0.0,24", "case0.0,25", r"labels.csv, row 47: class 25 is none of 1 to 24 \(23 = X, 24 = Y\), X and Y"),
        ("case0.0,24", "case0.0,", r"row 47: class \(empty\) is none of"),
        ("case0,case0.0,24", "case0,,24", r"row 47: the chromosome has no cell_id: name the cell, or set"),
        ("cell_id", "cell", r"labels.csv has no column cell_id: set data.cell_column to one of path, case_id, cell"),
        ("24/case0.0_24_0.png", "24/absent.png", r"row 47: no file .*absent.png"),
    ],
)
def test_a_wrong_table_is_named_with_its_row(tmp_path, old, new, message):
    root = write_chromosomes(tmp_path / "data", cases=1)
    text = (root / "labels.csv").read_text()
    assert text.count(old) == 1
    (root / "labels.csv").write_text(text.replace(old, new))
    with pytest.raises(UserError, match=message):
        _list(TABLE, root, tmp_path)


def test_an_unknown_class_folder_is_named(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=1)
    write_image(root / "marker" / "a_1_0.png", bar(1))
    with pytest.raises(UserError, match=r"marker: an unknown class; folders are named 1 to 22, X and Y"):
        _list(FOLDERS, root, tmp_path)


def test_a_file_without_a_cell_is_named(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=1)
    write_image(root / "01" / "stray.png", bar(1))
    with pytest.raises(UserError, match=r"stray.png: no cell found by data.cell_regex"):
        _list(FOLDERS, root, tmp_path)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(cell", r"data.cell_regex=\(cell is no regular expression"),
        ("case", r"has no group: put the cell's part in \(\?P<cell>...\)"),
    ],
)
def test_a_wrong_expression_is_named(tmp_path, expression, message):
    root = write_chromosomes(tmp_path / "data", cases=1)
    with pytest.raises(UserError, match=message):
        _list(FOLDERS.model_copy(update={"cell_regex": expression}), root, tmp_path)


def test_an_expression_beside_a_table_is_refused(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=1)
    with pytest.raises(UserError, match="data.cell_regex counts with data.file=null alone"):
        _list(TABLE.model_copy(update={"cell_regex": "(.)_"}), root, tmp_path)


def test_an_absent_class_is_named(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=1)
    lines = (root / "labels.csv").read_text().splitlines()
    (root / "labels.csv").write_text("\n".join(line for line in lines if not line.endswith(",24")))
    with pytest.raises(UserError, match="no chromosome of class Y: all 24 classes are needed"):
        _list(TABLE, root, tmp_path)


def test_no_table_says_what_to_set(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=1)
    (root / "labels.csv").unlink()
    with pytest.raises(UserError, match=r"no table .*labels.csv: set data.file, or data.file=null"):
        _list(TABLE, root, tmp_path)


def test_no_case_and_so_no_cell_is_on_two_sides(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=6, cells=2, copies=1)
    manifest = scan(TABLE, str(root), tmp_path / "cache", progress=False)
    config = SplitConfig(folds=3, near_duplicates="off")
    parts = split(manifest, "subject", config, None)
    assert check_leaks(manifest, parts, "subject", config).counts()["subjects"] == 0
    sides = parts.groupby(manifest.frame["cell"].to_numpy()).nunique()
    assert (sides == 1).all()


@pytest.mark.parametrize(
    ("name", "images", "cells", "subjects"),
    [("chromosomes_612cells", 23_582, 513, 310), ("chromosomes_119cells", 4_600, 100, 100)],
)
def test_the_real_sets_are_listed_whole(name, images, cells, subjects, tmp_path):
    listing = _list(TABLE, real_data(name), tmp_path)
    assert len(listing.records) == images
    assert len({record.cell for record in listing.records}) == cells
    assert len({record.subject for record in listing.records}) == subjects
