"""Markdown tables of CSV tables."""

from unittest.mock import ANY

import pandas as pd
import pytest

from common.errors import UserError
from docs.tables.__main__ import fill
from docs.tables.builder import Table, split


def cells(markdown):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()]


@pytest.fixture
def results(tmp_path):
    """A results folder with one table."""
    rows = [("a", "auc", 0.51234, 0.4, 0.6), ("a", "f1", 0.7, None, None), ("b", "auc", None, None, None)]
    table = pd.DataFrame(rows, columns=["label", "metric", "value", "low", "high"])
    table.to_csv(tmp_path / "some.csv", index=False)
    return tmp_path


def test_rows_are_formatted_and_selected(results):
    table = Table("*.csv", "file={file} | of={label} | value={value:.1f}", where="metric == 'auc'", words={"b": "B"})
    assert cells(table(results)) == [["file", "of", "value"], ANY, ["some", "a", "0.5"], ["some", "B", "-"]]


def test_a_pivot_has_a_column_per_key_and_dashes_where_there_is_no_row(results):
    table = Table("some.csv", "label={label}", "{metric}={value_ci}")
    heads, _, first, second = cells(table(results))
    assert heads == ["label", "auc", "f1"]
    assert first == ["a", "0.512 (0.400 to 0.600)", "0.700"]
    assert second == ["b", "-", "-"]


def test_two_measurements_of_one_cell_are_refused(results):
    with pytest.raises(UserError, match=r"some\.csv: 'x'"):
        Table("some.csv", "label={label}", "x={value}")(results)


def test_a_wide_table_is_split_and_repeats_its_keys():
    table = pd.DataFrame([["name", *"x" * 4]], columns=["key", *(f"{place}".rjust(40, "h") for place in range(4))])
    first, second = split(table).split("\n\n")
    assert [cells(part)[2][0] for part in (first, second)] == ["name", "name"]
    assert len(cells(first)[0]) == len(cells(second)[0]) == 3
    assert max(map(len, first.splitlines())) <= 110


def test_an_unknown_table_is_refused(results):
    with pytest.raises(UserError, match="nonsense"):
        fill("<!-- table: nonsense -->\n<!-- /table -->", results)
