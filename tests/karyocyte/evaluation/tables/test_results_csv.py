"""Rows of a results table."""

import pandas as pd
import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.comparison.pairwise import compare_groups
from karyocyte.evaluation.intervals.grouping import group_runs
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.results_csv import COLUMNS, append_rows, rows_of, rows_of_matrix
from karyocyte.evaluation.types.result import Kind
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20)
ENDS = ["value", "low", "high"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.csv"


def read(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def added(path, rows):
    """The table with these rows, by metric."""
    append_rows(path, rows)
    table = read(path).set_index("metric")
    assert table.index.is_unique
    return table


def check(cells, interval):
    ends = [interval.value, interval.low, interval.high]
    assert cells.astype(float).tolist() == pytest.approx(ends, abs=1e-6)


def test_a_row_per_metric_at_both_thresholds(path):
    result = evaluate_runs([make_run(0), make_run(1)], SETTINGS)
    table = added(path, rows_of(result, "mine"))
    assert tuple(read(path).columns) == COLUMNS
    auc = table.loc["auc"]
    check(auc[ENDS], result.metrics["auc"])
    check(auc[["mean_over_folds", "mean_low", "mean_high"]], result.of(Kind.AT_HALF, "fold mean")["auc"])
    facts = auc[["label", "experiment", "folds", "seeds", "images", "subjects", "source"]]
    assert facts.tolist() == ["mine", "tiny", "0 1", "0", "120", "24", "cnmc"]
    assert "accuracy@threshold" in table.index


def test_the_same_measurement_is_replaced_and_others_are_left_alone(path):
    first = rows_of(evaluate_runs([make_run(0, skill=0.1)], SETTINGS), "a")
    append_rows(path, first)
    append_rows(path, [{**row, "label": "b"} for row in first])
    before = read(path).query("label == 'b'")
    append_rows(path, rows_of(evaluate_runs([make_run(0, skill=9.0)], SETTINGS), "a"))
    after = read(path)
    assert len(after) == 2 * len(first)
    pd.testing.assert_frame_equal(after.query("label == 'b'").reset_index(drop=True), before.reset_index(drop=True))
    assert after.query("label == 'a' and metric == 'accuracy'")["value"].item() == "1.000000"


def test_what_is_undefined_or_unknown_is_an_empty_cell(path):
    run = make_run(images=4, subjects=4, about={"synthetic": True, "source": "synthetic"})
    run.frame["label"] = "all"
    del run.about["images_seen"], run.about["wall_seconds"]
    table = added(path, rows_of(evaluate_runs([run], SETTINGS), ""))
    assert table.loc["auc", "value"] == ""
    facts = table.loc["accuracy", ["source", "synthetic", "images_seen", "wall_seconds"]]
    assert facts.tolist() == ["synthetic", "True", "", ""]


def test_calibration_subjects_and_triage_have_rows(path):
    result = evaluate_runs([make_run(0)], SETTINGS)
    table = added(path, rows_of(result, ""))
    expected = {
        "ece": (Kind.CALIBRATED, "ece"),
        "nll_scaled": (Kind.SCALED, "nll"),
        "auc_by_subject_mean": (f"{Kind.BY_SUBJECT}mean", "auc"),
        "sensitivity_by_subject_share": (f"{Kind.BY_SUBJECT}share", "sensitivity"),
        "aurc": (f"{Kind.RISK}probability", "aurc"),
        "triage_sensitivity/release": (f"{Kind.TRIAGE}release", "sensitivity"),
        "triage_unseen_subjects/release": (Kind.UNSEEN, "positive"),
    }
    for metric, (section, name) in expected.items():
        check(table.loc[metric, ENDS], result.of(section)[name])
    assert "triage_review_share/release" in table.index
    assert table.loc["triage_sensitivity/release", "method"] == "exact"


def test_rows_of_all_pairs(path):
    runs = [make_run(0, skill=skill, about={"name": name}) for name, skill in (("a", 2.0), ("b", 0.5), ("c", 0.1))]
    comparison = compare_groups(group_runs(runs, list("abc")), SETTINGS)
    append_rows(path, rows_of_matrix(comparison, "three"))
    table = read(path).set_index(["experiment", "metric"])
    assert len(table) == 3 * 5
    for pair in comparison.pairs:
        rows = table.loc[f"{pair.first} - {pair.second}"]
        assert float(rows.loc["mcnemar_p_holm", "value"]) == pytest.approx(pair.p_corrected, abs=1e-6)
        check(rows.loc["difference/auc", ENDS], pair.differences["auc"])
