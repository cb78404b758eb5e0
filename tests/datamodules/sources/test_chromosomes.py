"""Single chromosomes: by a table or by folders; every wrong label has a name."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import class_of
from tests.helpers.chromosomes import bar, write_chromosomes
from tests.helpers.images import write_image
from tests.helpers.manifests import rows_of
from tests.helpers.sources import list_images, source_config

FOLDERS = {"file": None, "cell_regex": r"^(.+)_\d+_\d+\."}


@pytest.fixture
def root(tmp_path):
    return write_chromosomes(tmp_path / "data", cases=2)


def listed(root, **keys):
    return list_images(source_config("chromosomes", **keys), root, root.parent / "cache", progress=False)


def replace_once(root, old, new):
    text = (root / "labels.csv").read_text()
    assert text.count(old) == 1
    (root / "labels.csv").write_text(text.replace(old, new))


def test_a_table_gives_class_case_and_cell(tmp_path):
    listing = listed(write_chromosomes(tmp_path / "data", cases=2, cells=2))
    by_id = {record.image_id: record for record in rows_of(listing)}
    last = by_id["24/case1.0_24_0.png"]
    assert (last.label, last.subject, last.cell) == ("Y", "case1", "case1.0")


def test_without_cases_the_cell_is_the_subject_by_a_table_and_by_folders(tmp_path):
    root = write_chromosomes(tmp_path / "data", cases=2, by_case=False)
    (root / "23").rename(root / "X")
    by_folder = listed(root, **FOLDERS)
    by_table = listed(write_chromosomes(tmp_path / "again", cases=2, by_case=False))
    for listing in (by_folder, by_table):
        assert {record.subject for record in rows_of(listing)} == {"case0.0", "case1.0"}
        assert all(record.subject == record.cell for record in rows_of(listing))
        assert "cases are not known: each cell counts as a subject" in listing.notes[0]
    facts = [{record[2:] for record in rows_of(listing)} for listing in (by_folder, by_table)]
    assert facts[0] == facts[1]


@pytest.mark.parametrize("keys", [{"file": None}, {"cell_column": None, "subject_column": None}])
def test_cells_may_be_unknown(root, keys):
    listing = listed(root, **keys)
    assert {(record.subject, record.cell) for record in rows_of(listing)} == {(None, None)}
    assert "cells are not known" in listing.notes[0]


CLASSES = {"1": "1", "07": "7", "chr22": "22", " 9 ": "9", "23": "X", "24": "Y", "x": "X", "chrY": "Y"}
NO_CLASSES = dict.fromkeys(["0", "25", "", "-1", "1.0", "Z", "one", "chr", "٣"])


@pytest.mark.parametrize(("text", "name"), (CLASSES | NO_CLASSES).items())
def test_a_class_may_be_written_in_many_ways_and_anything_else_is_no_class(text, name):
    assert class_of(text) == name


@pytest.mark.parametrize(
    ("wrong", "message"),  # in the table, or settings
    [
        (("case0.0,24", "case0.0,25"), "labels.csv, row 47: class 25 "),
        (("case0.0,24", "case0.0,"), r"row 47: class \(empty\) "),
        (("case0,case0.0,24", "case0,,24"), "row 47: the chromosome has no cell_id"),
        (("cell_id", "cell"), "no column cell_id, its first line names .*cell.*: set data.cell_column"),
        (("24/case0.0_24_0.png", "24/absent.png"), "row 47: no file .*absent.png"),
        (("case1,case1.0,24", "case1,case0.0,24"), r"cell case0.0 is of case0 \(.*\) and of case1 \(.*_24_0.png\)"),
        ({"subject_column": "pateint"}, "no column pateint, its first line names .*case_id.*: set data.subject_column"),
        ({"cell_regex": "(.)_"}, "data.cell_regex counts with data.file=null alone"),
        ({"file": "absent.csv"}, r"no table .*absent.csv: set data.file, or data.file=null"),
        ({"file": None, "cell_regex": "(cell"}, r"data.cell_regex=\(cell is no regular expression"),
        ({"file": None, "cell_regex": "case"}, r"has no group: put the cell's part in \(\?P<cell>...\)"),
        ({"file": None, "cell_regex": "(case7)"}, r"01_0.png: no cell found by data.cell_regex"),
        (FOLDERS, "marker: an unknown class"),
    ],
)
def test_a_wrong_row_setting_or_folder_is_named(root, wrong, message):
    keys = wrong if isinstance(wrong, dict) else {}
    if wrong is FOLDERS:
        write_image(root / "marker" / "a_1_0.png", bar(1))
    if not keys:
        replace_once(root, *wrong)
    with pytest.raises(UserError, match=message):
        listed(root, **keys)
