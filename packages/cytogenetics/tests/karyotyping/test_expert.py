"""Classes that an expert has fixed."""

from pathlib import Path

import pytest

from cytogenetics.images.cells import Cell, Cells
from cytogenetics.karyotyping.expert import classes_by_cell, read_fixed
from datamodules.inference.image_files import ImageFile
from karyocyte.common.errors import UserError
from tests.helpers.chromosomes import write_table


def cell(name, *files, case=None):
    return Cell(name, case, tuple(ImageFile(Path(file), file, ()) for file in files))


CELLS = [cell("c1", "c1/a.png", "c1/b.png", "same.png"), cell("c2", "c2/a.png", "same.png", case="p")]


def classes_of(file, cells=CELLS):
    return classes_by_cell(read_fixed(file), Cells(tuple(cells), {}))


def fixed(tmp_path, rows):
    return classes_of(write_table(tmp_path / "fixed.csv", rows))


def test_without_a_table_nothing_is_fixed():
    assert classes_of(None) == [{}, {}]


@pytest.mark.parametrize(
    ("text", "kind"), [("1", "1"), ("24", "Y"), ("chr07", "7"), ("5.0", "5"), ("none", "none"), ("MAR", "mar")]
)
def test_classes_by_file(tmp_path, text, kind):
    assert fixed(tmp_path, [{"file": "c2/a.png", "class": text}]) == [{}, {"c2/a.png": kind}]


def test_a_table_of_all_chromosomes_fixes_by_its_column_fixed(tmp_path):
    rows = [
        {"case": "", "cell": "c1", "file": "c1/a.png", "class": "4", "fixed": ""},
        {"case": "p", "cell": "c2", "file": "same.png", "class": "4", "fixed": "5"},
    ]
    assert fixed(tmp_path, rows) == [{}, {"same.png": "5"}]


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([{"file": "c1/a.png"}], "class"),
        ([{"class": "1"}], "file"),
        ([{"file": "c3/a.png", "class": "1"}], "c3/a.png"),
        ([{"file": "same.png", "class": "1"}], "same.png is in 2 cells"),
        ([{"file": "c1/a.png", "cell": "c2", "class": "1"}], "c2 / c1/a.png"),
        ([{"file": "c1/a.png", "class": "25"}], "class 25"),
        ([{"file": "c1/a.png", "class": text} for text in ("X", "23", "7")], "row 4: c1/a.png has another class"),
        ([{"file": "c1/a.png", "class": "1", "fixed": ""}], "fixes nothing"),
    ],
)
def test_unfit_tables_are_errors(tmp_path, rows, value):
    with pytest.raises(UserError, match=value):
        fixed(tmp_path, rows)
