"""Tables of cells that are left out."""

import pandas as pd
import pytest

from common.cell_list import CellList
from common.errors import UserError
from common.files import sha256_of_value


@pytest.fixture
def file(tmp_path):
    """Two images of cell 007 and one of NA."""
    file = tmp_path / "suspects.csv"
    file.write_text("path,cell_id,label\na.png,007,1\nb.png,007,2\nc.png,NA,3\n")
    return file


def test_cells_and_their_images_are_read_as_text(file):
    cells = CellList.read(file)
    assert cells.paths == {("", "007"): ("a.png", "b.png"), ("", "NA"): ("c.png",)}
    frame = pd.DataFrame({"subject": ["s", "s", None, None], "cell": ["007", "7", None, "NA"]})
    assert cells.rows(frame).tolist() == [True, False, False, True]


def test_cells_of_several_cases_with_one_name_are_told_apart(tmp_path):
    file = tmp_path / "suspects.csv"
    frame = pd.DataFrame({"subject": ["a", "b", "b", None], "cell": ["1", "1", "2", "3"]})
    file.write_text("case_id,cell_id\nb,1\n,3\n")
    CellList.read(file).check_known(frame)
    assert CellList.read(file).rows(frame).tolist() == [False, True, False, True]
    file.write_text("case_id,cell_id\na,2\n")
    with pytest.raises(UserError, match="1 cell is not of this data set: a / 2:"):
        CellList.read(file).check_known(frame)
    for text in ("cell_id\n2\n1\n", "cell_id,case_id\n1,\n"):
        file.write_text(text)
        with pytest.raises(UserError, match=r"several cases have a cell 1 \(a, b\): .* case_id"):
            CellList.read(file).check_known(frame)


def test_content_is_that_of_the_cells_alone(file, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("case_id,cell_id\ns,NA\ns,007\n")
    assert CellList.read(other).content == CellList.read(file).content == sha256_of_value(["007", "NA"])
    other.write_text("cell_id\n007\n")
    assert CellList.read(other).content != CellList.read(file).content


def test_unknown_cells_are_named(file):
    cells = CellList.read(file)
    frame = pd.DataFrame({"subject": ["s", "s"], "cell": ["007", None]})
    cells.check_known(frame, ["c.png", "d.png"])
    with pytest.raises(UserError, match=r"1 cell\b.*: NA: "):
        cells.check_known(frame)
    with pytest.raises(UserError, match="2 cells.*007, NA"):
        cells.check_known(frame[1:], ["d.png"])


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "readable"), ("cell\n1\n", "no column cell_id"), ("cell_id,path\n1,a\n,b\n", "row 3")],
)
def test_what_is_no_table_of_cells_is_refused(tmp_path, text, message):
    file = tmp_path / "cells.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        CellList.read(file)
    with pytest.raises(UserError, match="readable"):
        CellList.read(tmp_path / "nowhere.csv")
