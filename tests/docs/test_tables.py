"""The tables of the documentation come from results/ and from nowhere else."""

from unittest.mock import ANY

import pandas as pd
import pytest

from docs.tables import BLOCK, PAPERS, SOURCES, TABLES, Table, pages
from karyocyte.common.paths import ROOT
from karyocyte.evaluation.comparison.claims import read_claims
from tests.karyocyte.workflows.papers.claims import measured


def cells(markdown):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()]


@pytest.fixture
def results(tmp_path):
    """A results folder with one table."""
    rows = [("a", "auc", 0.51234, 0.4, 0.6), ("a", "f1", 0.7, None, None), ("b", "auc", None, None, None)]
    table = pd.DataFrame(rows, columns=["label", "metric", "value", "low", "high"])
    table.to_csv(tmp_path / "some.csv", index=False)
    return tmp_path


def show(results, name, rows):
    """Write the rows of a table into its file and return its parts, as lines of cells."""
    pd.DataFrame(rows).to_csv(results / TABLES[name].csv, index=False)
    return [cells(part) for part in TABLES[name](results).split("\n\n")]


def test_rows_are_formatted_and_selected(results):
    columns = {"file": "{file}", "of": "{label}", "twice": "{twice:.1f}"}
    table = Table("*.csv", columns, derive="twice = 2 * value", where="metric == 'auc'", words={"b": "B"})
    assert cells(table(results)) == [["file", "of", "twice"], ANY, ["some", "a", "1.0"], ["some", "B", "-"]]


def test_a_pivot_has_a_column_per_key_and_dashes_where_there_is_no_row(results):
    heads, _, first, second = cells(Table("some.csv", {"label": "{label}"}, {"{metric}": "{value_ci}"})(results))
    assert heads == ["label", "auc", "f1"]
    assert first == ["a", "0.512 (0.400 to 0.600)", "0.700"]
    assert second == ["b", "-", "-"]


def test_single_folds_beside_their_pool_are_left_out(tmp_path):
    label = "chromosomes_large, 612 cells"
    rows = [measured(label, metric=name, folds="0 1") for name in ("accuracy", "accuracy_assigned")]
    rows += [measured(label, metric="accuracy", folds="0", value=0.1)]
    ((heads, _, row),) = show(tmp_path, "chromosomes", rows)
    assert heads == ["network and data", "alone", "jointly"]
    assert row == [label, *["0.800 (0.700 to 0.850)"] * 2]


def test_the_gap_of_protocols_is_of_networks_that_have_both(tmp_path):
    rows = [
        measured("net", metric="auc", protocol="subject", value=0.6),
        measured("net", metric="auc", protocol="paper", value=0.9),
        measured("lonely", metric="auc", protocol="subject"),
        measured("lonely", metric="auc", protocol="image"),
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "karyograms.csv", index=False)
    assert cells(TABLES["protocol_gap"](tmp_path))[2:] == [["net", "0.600", "-", "0.900"]]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_page_of_a_paper_has_every_experiment(paper):
    text = (ROOT / "docs" / "papers" / f"{paper}.md").read_text()
    assert all(name in text for name in read_claims(ROOT / "results", (paper,))["experiment"])


def test_every_table_is_on_a_page():
    assert {name for page in [*pages(), SOURCES] for _, name, _ in BLOCK.findall(page.read_text())} == set(TABLES)
