"""The tables of the documentation come from results/ and from nowhere else."""

from unittest.mock import ANY

import pandas as pd
import pytest

from docs.tables import BLOCK, PAPERS, SOURCES, TABLES, Table, pages, verdict
from karyocyte.common.paths import ROOT
from karyocyte.evaluation.comparison.claims import read_claims
from karyocyte.runs.run import Run
from packages.reproduction.tests.written_claims import claim, write_results
from reproduction.grades import grade_table
from tests.helpers.predictions import make_run


def cells(markdown):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()]


@pytest.fixture
def results(tmp_path):
    """A results folder with one table."""
    rows = [("a", "auc", 0.51234, 0.4, 0.6), ("a", "f1", 0.7, None, None), ("b", "auc", None, None, None)]
    table = pd.DataFrame(rows, columns=["label", "metric", "value", "low", "high"])
    table.to_csv(tmp_path / "some.csv", index=False)
    return tmp_path


def measured(label="net, ours", metric="accuracy", value=0.8, low=0.7, high=0.85, **facts):
    """Return a row of a table of evaluate.py --csv."""
    row = {"label": label, "metric": metric, "value": value, "low": low, "high": high, "source": "cells"}
    return {**row, "tested_on": None, "synthetic": None, "protocol": "paper", "folds": "0", "seeds": "0", **facts}


def show(results, name, rows):
    """Write the rows of a table into its file and return its parts, as lines of cells."""
    path = results / TABLES[name].csv
    path.parent.mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)
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
    label = "612 cells"
    rows = [measured(label, metric=name, folds="0 1") for name in ("accuracy", "accuracy_assigned")]
    rows += [measured(label, metric="accuracy", folds="0", value=0.1)]
    ((heads, _, row),) = show(tmp_path, "left_out", rows)
    assert heads == ["tested on", "alone", "jointly"]
    assert row == [label, *["0.800 (0.700 to 0.850)"] * 2]


def test_figures_are_counted_by_their_grade(tmp_path):
    facts = {"name": "net", "source": "cells", "protocol": "paper", "images_seen": 600}
    for seed in range(2):
        run = Run(tmp_path / "evidence" / "net" / f"seed={seed}")
        run.write_predictions(make_run(images=100, seed=seed, about=facts | {"seed": seed}))
        run.write_config({"name": "net"})
    claims = [claim(printed="0.1", deviation="other strides"), claim("other", not_run="no weights")]
    write_results(tmp_path, [*claims, claim(metric="auc", printed="", headline="")])
    grade_table(results=tmp_path).to_csv(tmp_path / "grades.csv", index=False)
    counts, sentence = verdict("009", tmp_path).splitlines()
    assert counts == "2 printed figures: 1 higher (better), 1 not run."
    assert "0 of 1 networks are worse than printed and 1 better (sign test: p = 1.00)" in sentence


@pytest.mark.parametrize("paper", PAPERS)
def test_the_page_of_a_paper_has_every_experiment(paper):
    text = (ROOT / "docs" / "papers" / f"{paper}.md").read_text()
    assert all(name in text for name in read_claims(ROOT / "results", (paper,))["experiment"])


def test_every_table_is_on_a_page():
    assert {name for page in [*pages(), SOURCES] for _, name, _ in BLOCK.findall(page.read_text())} == set(TABLES)
