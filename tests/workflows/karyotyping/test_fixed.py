"""Classes that an expert has fixed."""

from pathlib import Path

import pytest

from common.errors import UserError
from common.karyotype import CHROMOSOMES
from datamodules.inference.cells import Cell
from datamodules.inference.image_files import ImageFile
from tests.helpers.chromosomes import write_table
from workflows.karyotyping.fixed import read_fixed


def cell(name, *files, case=None):
    return Cell(name, case, tuple(ImageFile(Path(file), file, ()) for file in files))


CELLS = [cell("c1", "c1/a.png", "c1/b.png", "same.png"), cell("c2", "c2/a.png", "same.png", case="p")]


def fixed(tmp_path, rows):
    return read_fixed(write_table(tmp_path / "fixed.csv", rows), CELLS)


def test_without_a_table_nothing_is_fixed():
    assert read_fixed(None, CELLS) == [{}, {}]


@pytest.mark.parametrize(("text", "index"), [("1", 0), ("X", 22), ("24", 23), ("chr07", 6), ("5.0", 4), ("none", None)])
def test_classes_by_file(tmp_path, text, index):
    assert fixed(tmp_path, [{"file": "c2/a.png", "class": text}]) == [{}, {"c2/a.png": index}]


def test_a_table_of_all_chromosomes_fixes_by_its_column_fixed(tmp_path):
    rows = [
        {"case": "", "cell": "c1", "file": "c1/a.png", "class": "4", "fixed": ""},
        {"case": "p", "cell": "c2", "file": "same.png", "class": "4", "fixed": "5"},
    ]
    assert fixed(tmp_path, rows) == [{}, {"same.png": CHROMOSOMES.index("5")}]


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
