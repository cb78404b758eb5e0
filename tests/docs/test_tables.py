"""The tables of the documentation come from results/ and from nowhere else."""

from unittest.mock import ANY

import pandas as pd
import pytest

from common.errors import UserError
from common.paths import ROOT
from docs.tables import BLOCK, PAPERS, ROLES, TABLES, Table, fill, pages, split
from evaluation.claims import read_claims
from tests.workflows.papers.claims import claim, measured, write_results


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


def test_two_measurements_of_one_cell_are_refused(results):
    with pytest.raises(UserError, match=r"some\.csv: 'x'"):
        Table("some.csv", {"label": "{label}"}, {"x": "{value}"})(results)


def test_a_wide_table_is_split_and_repeats_its_keys():
    table = pd.DataFrame([["name", *"x" * 4]], columns=["key", *(f"{place}".rjust(40, "h") for place in range(4))])
    first, second = split(table).split("\n\n")
    assert [cells(part)[2][0] for part in (first, second)] == ["name", "name"]
    assert len(cells(first)[0]) == len(cells(second)[0]) == 3
    assert max(map(len, first.splitlines())) <= 110


def test_an_unknown_table_is_refused(results):
    with pytest.raises(UserError, match="nonsense"):
        fill("<!-- table: nonsense -->\n<!-- /table -->", results)


def test_pooled_values_comparisons_and_means_over_folds_are_told_apart(tmp_path):
    pooled = {"mean_over_folds": 0.7, "mean_low": 0.6, "mean_high": 0.9, "folds": "0 1", "metric": "auc"}
    rows = [
        measured("net", **pooled),
        measured("one fold", metric="auc"),
        measured("a - b", metric="auc"),
        measured("a - b", metric="difference/auc", value=0.1, low=-0.1, high=0.3),
        measured("a - b", metric="mcnemar_p", value=0.0001, low=None, high=None),
    ]
    ((heads, _, first, second),) = show(tmp_path, "demo", rows)
    assert heads == ["label", "images", "subjects", "AUC, pooled", "AUC, mean over folds"]
    assert first == ["net", "200", "20", "0.800 (0.700 to 0.850)", "0.700 (0.600 to 0.900)"]
    assert second[-1] == "-"
    ((heads, _, row),) = show(tmp_path, "all_idb2_differences", rows)
    assert heads[3:] == ["McNemar's p", "AUC"]
    assert row == ["a - b", "200", "20", "< 0.001", "+0.100 (-0.100 to +0.300)"]


def test_single_folds_beside_their_pool_are_left_out(tmp_path):
    label = "chromosomes_large, 612 cells"  # the one whose recalls are shown
    names = ["recall/X", "recall/X_assigned", "accuracy"]
    rows = [measured(label, metric=name, folds="0 1", images_seen=6000, wall_seconds=240) for name in names]
    rows += [measured(label, metric=name, folds="0", value=0.1) for name in names]
    shown = {}
    for heads, _, row in show(tmp_path, "chromosomes", rows):
        shown |= dict(zip(heads, row, strict=True))
    assert shown == {
        "label": label,
        "folds": "2",
        "images": "200",
        "subjects": "20",
        "images seen per fold": "3,000",
        "minutes per fold": "2",
        "accuracy": "0.800 (0.700 to 0.850)",
    }
    assert show(tmp_path, "chromosome_recalls", rows)[0][2:] == [["X", "0.800", "0.800"]]


def test_the_gap_of_protocols_is_of_networks_that_have_both(tmp_path):
    rows = [
        measured("net", metric="auc", protocol="subject", value=0.6),
        measured("net", metric="auc", protocol="paper", value=0.9),
        measured("lonely", metric="auc", protocol="subject"),
        measured("lonely", metric="auc", protocol="image"),
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "karyograms.csv", index=False)
    assert cells(TABLES["protocol_gap"](tmp_path))[2:] == [["net", "0.600", "-", "0.900", "+0.300"]]


def test_external_results_are_means_over_the_runs(tmp_path):
    rows = []
    for place, values in ((None, (0.8, 0.9)), ("other (folder, 9 images)", (0.5, 0.6))):
        rows += [measured("net", tested_on=place, folds=str(fold), value=value) for fold, value in enumerate(values)]
    assert show(tmp_path, "external", rows)[0][2:] == [["net", "2", "0.850", "0.550"]]


def reproduced(**facts):
    """Return the row of a reproduction: by default the main figure of one experiment, measured with both splits."""
    row = {"experiment": "net", "section": "3.1", "part": "test", "metric": "accuracy", "printed": "0.910"}
    row |= {"headline": True, "measured_on": "cells", "verdict": "not comparable", "reason": "small; 64 px"}
    for role in ROLES:
        row |= {role: 0.5, f"{role}_low": 0.4, f"{role}_high": 0.6, f"{role}_images": 20, f"{role}_minutes": 0.5}
    return row | {"deviation": None} | facts


def test_figures_are_shown_by_experiment_and_verdict_and_shared_reasons_once(tmp_path):
    rows = [
        reproduced(),
        reproduced(metric="auc", headline=False, verdict="lower", reason="small"),
        reproduced(experiment="other", measured_on=None, reason="not measured here", as_paper=None, honest=None),
    ]
    (tmp_path / "reproduction").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "reproduction" / "001.csv", index=False)
    summary, net, figures, _, auc, other, printed = TABLES["paper_001_figures"](tmp_path).split("\n\n")
    assert summary.startswith("3 printed figures: 2 not comparable, 1 lower.")
    assert summary.endswith("Common to all figures measured here: small.")
    assert net.startswith("**`net`** (3.1): not comparable; 64 px. Split as the paper: 20 test images, 0.5 minutes.")
    assert cells(figures)[2] == ["test accuracy", "0.910", "0.500 (0.400 to 0.600)", "0.500 (0.400 to 0.600)"]
    assert cells(auc)[2][0] == "test AUC"
    assert other.startswith("**`other`** (3.1): not comparable; not measured here.")
    assert cells(printed)[2] == ["test accuracy", "0.910"]


def test_other_runs_of_a_paper_are_shown_with_their_reasons(tmp_path):
    write_results(tmp_path, [{**claim(), "paper": "004"}, {**claim("other"), "paper": "004"}])
    row = measured(protocol="subject", folds="0 1", wall_seconds=240)
    pd.DataFrame([row]).to_csv(tmp_path / "some.csv", index=False)
    table, line = TABLES["paper_004_runs"](tmp_path).split("\n\n")
    assert cells(table)[2:] == [["net", "0.9", "-", "0.800 (0.700 to 0.850)"]]
    assert line.startswith("- `net`: not comparable; 200 of 1,000 images; not split as the paper did")
    assert line.endswith("Runs: cells: 200 test images, 2 folds, 1 seed, 3,000 images seen, 2.0 min")


def test_two_claims_of_paper_001_do_not_follow_from_its_matrices():
    table, first, second = TABLES["paper_001_audit"](ROOT / "results").replace("\n- ", "\n\n- ").split("\n\n")[:3]
    assert cells(table)[2] == ["confusion matrix", "7", "2"]
    assert "karyogram_vgg16:" in first
    assert "karyogram_vgg16_last2:" in second


def test_made_up_predictions_are_counted_by_verdict(tmp_path):
    rows = [{"headline": True, "same": "reproduced", "better": "higher", "worse": "lower"}] * 2
    ((heads, _, same, *_),) = show(tmp_path, "made_up_verdicts", [*rows, {**rows[0], "headline": False}])
    assert (heads[1:], same) == (["reproduced", "higher", "lower"], ["same", "2", "-", "-"])


@pytest.mark.parametrize("paper", PAPERS)
def test_the_page_of_a_paper_has_every_experiment(paper):
    text = (ROOT / "docs" / "papers" / f"{paper}.md").read_text()
    assert all(f"**`{name}`**" in text for name in read_claims(ROOT / "results", (paper,))["experiment"])


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_tables_of_a_page_are_up_to_date(page):
    text = page.read_text()
    assert fill(text, ROOT / "results") == text, "run python -m docs.tables"


def test_every_table_is_on_a_page():
    assert {name for page in pages() for _, name, _ in BLOCK.findall(page.read_text())} == set(TABLES)


def test_claims_name_experiments_that_exist():
    table = pd.read_csv(ROOT / "results" / "claims.csv")
    names = set(table.loc[table["members"].isna(), "experiment"])  # ensembles have members
    assert all((ROOT / "conf" / "experiment" / f"{name}.yaml").is_file() for name in names)
