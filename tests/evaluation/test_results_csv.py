"""Rows of a results table."""

import pandas as pd
import pytest

from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from evaluation.comparison.paired import compare
from evaluation.comparison.pairwise import compare_groups
from evaluation.evaluate import evaluate_runs
from evaluation.intervals.grouping import group_runs
from evaluation.results_csv import COLUMNS, append_rows, rows_of, rows_of_comparison, rows_of_matrix
from tests.evaluation.cytogenetics.cells import make_cell_run
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20)


def read(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_a_row_per_metric_at_both_thresholds(tmp_path):
    judgement = evaluate_runs([make_run(0), make_run(1)], SETTINGS)
    append_rows(tmp_path / "x.csv", rows_of(judgement, "mine"))
    table = read(tmp_path / "x.csv").set_index("metric")
    assert tuple(table.reset_index()[list(COLUMNS)].columns) == COLUMNS
    auc = table.loc["auc"]
    mean = judgement.fold_means.metrics["auc"]
    expected = [judgement.test.metrics["auc"].value, mean.value, mean.low, mean.high]
    assert auc[["value", "mean_over_folds", "mean_low", "mean_high"]].astype(float).tolist() == pytest.approx(
        expected, abs=1e-6
    )
    assert (auc["label"], auc["experiment"], auc["folds"], auc["seeds"]) == ("mine", "tiny", "0 1", "0")
    assert (auc["images"], auc["subjects"], auc["source"]) == ("120", "24", "cnmc")
    assert "accuracy@threshold" in table.index


def test_the_same_measurement_is_replaced_and_others_are_left_alone(tmp_path):
    path = tmp_path / "x.csv"
    first = rows_of(evaluate_runs([make_run(0, skill=0.1)], SETTINGS), "a")
    append_rows(path, first)
    append_rows(path, rows_of(evaluate_runs([make_run(0, skill=0.1)], SETTINGS), "b"))
    before = read(path)
    append_rows(path, rows_of(evaluate_runs([make_run(0, skill=9.0)], SETTINGS), "a"))
    after = read(path)
    assert len(after) == len(before) == 2 * len(first)
    pd.testing.assert_frame_equal(
        after[after["label"] == "b"].reset_index(drop=True), before[before["label"] == "b"].reset_index(drop=True)
    )
    assert after.query("label == 'a' and metric == 'accuracy'")["value"].item() == "1.000000"


def test_undefined_is_an_empty_cell_and_synthetic_is_said(tmp_path):
    run = make_run(images=4, subjects=4, about={"synthetic": True, "source": "synthetic"})
    run.frame["label"] = "all"
    append_rows(tmp_path / "x.csv", rows_of(evaluate_runs([run], SETTINGS), ""))
    table = read(tmp_path / "x.csv").set_index("metric")
    assert table.loc["auc", "value"] == ""
    assert (table.loc["accuracy", "source"], table.loc["accuracy", "synthetic"]) == ("synthetic", "True")


def test_cells_placed_jointly_have_rows_and_the_budget_of_all_folds_stands_in_each(tmp_path):
    runs = [make_cell_run(fold, cells=6, images_seen=1000 + fold, wall_seconds=10.4) for fold in range(2)]
    settings = EvaluationConfig(resamples=20, assignment=AssignmentConfig(enabled=True))
    judgement = evaluate_runs(runs, settings)
    append_rows(tmp_path / "x.csv", rows_of(judgement, "cells"))
    table = read(tmp_path / "x.csv").set_index("metric")
    for metric in (
        "cells_right",
        "cells_right_assigned",
        "accuracy_assigned",
        "f1_macro_assigned",
        "recall/X_assigned",
    ):
        found, mean = judgement.assignment.metrics[metric], judgement.assignment.fold_means[metric]
        assert table.loc[metric, ["value", "low", "mean_over_folds"]].astype(float).tolist() == pytest.approx(
            [found.value, found.low, mean.value], abs=1e-6
        )
    assert set(table["images_seen"]) == {"2001"}
    assert set(table["wall_seconds"]) == {"21"}
    assert set(table["folds"]) == {"0 1"}
    assert table.index.is_unique


def test_an_unknown_budget_is_an_empty_cell(tmp_path):
    run = make_run(0)
    del run.about["images_seen"], run.about["wall_seconds"]
    append_rows(tmp_path / "x.csv", rows_of(evaluate_runs([run, make_run(1)], SETTINGS), ""))
    append_rows(tmp_path / "x.csv", rows_of(evaluate_runs([run], SETTINGS), ""))
    assert set(read(tmp_path / "x.csv")["images_seen"]) == set(read(tmp_path / "x.csv")["wall_seconds"]) == {""}


def test_rows_of_a_comparison(tmp_path):
    found = compare([make_run(0)], [make_run(0, skill=0.5, about={"name": "other"})], SETTINGS)
    append_rows(tmp_path / "x.csv", rows_of_comparison(found, "pair"))
    table = read(tmp_path / "x.csv")
    assert table["metric"].tolist() == ["difference/f1_weighted", "difference/auc", "difference/accuracy", "mcnemar_p"]
    assert set(table["experiment"]) == {"tiny - other"}


def test_calibration_subjects_and_triage_have_rows(tmp_path):
    judgement = evaluate_runs([make_run(0)], SETTINGS)
    append_rows(tmp_path / "x.csv", rows_of(judgement, ""))
    table = read(tmp_path / "x.csv").set_index("metric")
    assert table.index.is_unique
    expected = {
        "ece": judgement.calibration.before.intervals["ece"],
        "nll_scaled": judgement.calibration.after.intervals["nll"],
        "auc_by_subject_mean": judgement.by_subject.rules["mean"].metrics["auc"],
        "sensitivity_by_subject_share": judgement.by_subject.rules["share"].metrics["sensitivity"],
        "aurc": judgement.triage.risk_coverage["probability"].interval,
    }
    for metric, interval in expected.items():
        ends = table.loc[metric, ["value", "low", "high"]].astype(float).tolist()
        assert ends == pytest.approx([interval.value, interval.low, interval.high], abs=1e-6)
    release = next(row for row in judgement.triage.rules if row.rule == "release")
    assert float(table.loc["triage_review_share/release", "value"]) == pytest.approx(release.review_share, abs=1e-6)
    assert table.loc["triage_sensitivity/release", "method"] == "exact"


def test_rows_of_all_pairs(tmp_path):
    runs = [make_run(0, skill=skill, about={"name": name}) for name, skill in (("a", 2.0), ("b", 0.5), ("c", 0.1))]
    matrix = compare_groups(group_runs(runs, list("abc")), SETTINGS)
    append_rows(tmp_path / "x.csv", rows_of_matrix(matrix, "three"))
    table = read(tmp_path / "x.csv").set_index(["experiment", "metric"])
    assert len(table) == 3 * 5
    for pair in matrix.pairs:
        name = f"{pair.first} - {pair.second}"
        assert float(table.loc[(name, "mcnemar_p_holm"), "value"]) == pytest.approx(pair.p_corrected, abs=1e-6)
        low = pair.differences["auc"].low
        assert float(table.loc[(name, "difference/auc"), "low"]) == pytest.approx(low, abs=1e-6)


def test_a_foreign_table_is_not_touched(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="x.csv has other columns"):
        append_rows(path, rows_of(evaluate_runs([make_run(0)], SETTINGS), ""))
    assert path.read_text() == "a,b\n1,2\n"
