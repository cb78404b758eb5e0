"""Recall per kind."""

import pandas as pd
import pytest

from common.config.schema import EvaluationConfig
from evaluation.breakdowns.per_class import per_kind
from evaluation.evaluate import evaluate_runs, write_evaluation
from evaluation.intervals.exact import share
from evaluation.labelled_runs import LabelledRuns
from tests.helpers.predictions import join, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20)


def with_threshold(test, threshold):
    """Label test images beside a validation part that chooses this threshold."""
    validation = with_scores([1, 0], [threshold, threshold / 2], part="validation")
    return LabelledRuns.of([join(validation, test)], SETTINGS)


def test_each_kind_is_counted_at_one_half_and_at_the_threshold():
    run = with_scores([1, 1, 1, 1, 0, 0], [0.9, 0.4, 0.2, 0.6, 0.6, 0.1])
    run.frame.kind = ["trisomy", "trisomy", "deletion", None, None, None]
    rows = per_kind(with_threshold(run, 0.3))
    assert [(row.name, row.kind, row.images) for row in rows] == [
        ("hem", None, 2),
        ("all", None, 1),
        ("all", "deletion", 1),
        ("all", "trisomy", 2),
    ]
    assert rows[3].recall == share(1, 2, 0.95)
    assert rows[3].recall_at_threshold == share(2, 2, 0.95)
    assert rows[2].recall.value == 0.0
    assert rows[0].recall.value == 0.5


def test_without_kinds_there_is_no_table(tmp_path):
    assert per_kind(LabelledRuns.of([make_run()], SETTINGS)) is None
    write_evaluation(tmp_path, make_run(), None, SETTINGS)
    assert not (tmp_path / "per_kind.csv").exists()


def test_more_classes_have_no_threshold():
    run = make_run(classes=("a", "b", "c"))
    run.frame.kind = "x"
    assert {row.recall_at_threshold for row in per_kind(LabelledRuns.of([run], SETTINGS))} == {None}


def test_folds_are_counted_together_each_at_its_own_threshold(tmp_path):
    runs = [make_run(fold, images=40, skill=0.5) for fold in range(2)]
    for run in runs:
        run.frame.kind = run.frame["label"].map({"all": "L1", "hem": None})
    pooled = evaluate_runs(runs, SETTINGS)
    row = pooled.per_kind[1]
    assert (row.kind, row.images) == ("L1", 40)
    own = zip(runs, pooled.threshold.value, strict=True)
    tests = [(run.part("test").frame, threshold) for run, threshold in own]
    hits = sum(int(((t["label"] == "all") & (t["prob_all"] >= threshold)).sum()) for t, threshold in tests)
    assert row.recall_at_threshold.hits == hits
    write_evaluation(tmp_path, runs[0], None, SETTINGS)
    table = pd.read_csv(tmp_path / "per_kind.csv")
    assert table.images.tolist() == [20, 20]
    assert table.recall[1] == pytest.approx(table["recall_low"][1], abs=0.3)
