"""Rows of a results table."""

import pandas as pd
import pytest

from common.errors import UserError
from common.schema import EvaluationConfig
from evaluation.comparison import compare
from evaluation.judge import judge_runs
from evaluation.records import COLUMNS, append_rows, rows_of, rows_of_comparison
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20)


def read(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_a_row_per_metric_at_both_thresholds(tmp_path):
    judgement = judge_runs([make_run(0), make_run(1)], SETTINGS)
    append_rows(tmp_path / "x.csv", rows_of(judgement, "mine"))
    table = read(tmp_path / "x.csv").set_index("metric")
    assert tuple(table.reset_index()[list(COLUMNS)].columns) == COLUMNS
    auc = table.loc["auc"]
    assert float(auc["value"]) == pytest.approx(judgement["test"]["metrics"]["auc"]["value"], abs=1e-6)
    assert float(auc["mean_over_folds"]) == pytest.approx(judgement["fold_means"]["metrics"]["auc"]["value"], abs=1e-6)
    for column in ("low", "high"):
        found = judgement["fold_means"]["metrics"]["auc"][column]
        assert float(auc[f"mean_{column}"]) == pytest.approx(found, abs=1e-6)
    assert (auc["label"], auc["experiment"], auc["folds"], auc["seeds"]) == ("mine", "tiny", "0 1", "0")
    assert (auc["images"], auc["subjects"], auc["source"]) == ("120", "24", "cnmc")
    assert "accuracy@threshold" in table.index


def test_the_same_measurement_is_replaced_and_others_are_left_alone(tmp_path):
    path = tmp_path / "x.csv"
    first = rows_of(judge_runs([make_run(0, skill=0.1)], SETTINGS), "a")
    append_rows(path, first)
    append_rows(path, rows_of(judge_runs([make_run(0, skill=0.1)], SETTINGS), "b"))
    before = read(path)
    append_rows(path, rows_of(judge_runs([make_run(0, skill=9.0)], SETTINGS), "a"))
    after = read(path)
    assert len(after) == len(before) == 2 * len(first)
    pd.testing.assert_frame_equal(
        after[after["label"] == "b"].reset_index(drop=True), before[before["label"] == "b"].reset_index(drop=True)
    )
    assert after.query("label == 'a' and metric == 'accuracy'")["value"].item() == "1.000000"


def test_undefined_is_an_empty_cell_and_synthetic_is_said(tmp_path):
    run = make_run(images=4, subjects=4, about={"synthetic": True, "source": "synthetic"})
    run.frame["label"] = "all"
    append_rows(tmp_path / "x.csv", rows_of(judge_runs([run], SETTINGS), ""))
    table = read(tmp_path / "x.csv").set_index("metric")
    assert table.loc["auc", "value"] == ""
    assert table.loc["accuracy", "source"] == "synthetic"


def test_rows_of_a_comparison(tmp_path):
    found = compare([make_run(0)], [make_run(0, skill=0.5, about={"name": "other"})], SETTINGS)
    append_rows(tmp_path / "x.csv", rows_of_comparison(found, "pair"))
    table = read(tmp_path / "x.csv")
    assert table["metric"].tolist() == ["difference/f1_weighted", "difference/auc", "difference/accuracy", "mcnemar_p"]
    assert set(table["experiment"]) == {"tiny - other"}


def test_a_foreign_table_is_not_touched(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="x.csv has other columns"):
        append_rows(path, rows_of(judge_runs([make_run(0)], SETTINGS), ""))
    assert path.read_text() == "a,b\n1,2\n"
