"""Recall per kind."""

import pandas as pd
import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.pooling.sections import flat_table
from karyocyte.evaluation.run.evaluate import evaluate_runs, write_evaluation
from tests.helpers.predictions import join, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20)


def test_each_kind_is_counted_at_one_half_and_at_the_threshold():
    test = with_scores([1, 1, 1, 1, 0, 0], [0.9, 0.4, 0.2, 0.6, 0.6, 0.1])
    test.frame["kind"] = ["trisomy", "trisomy", "deletion", None, None, None]
    validation = with_scores([1, 0], [0.3, 0.15], part="validation")  # the threshold is 0.3
    rows = evaluate_runs([join(validation, test)], SETTINGS).per_kind
    kinds = [("hem", None, 2), ("all", None, 1), ("all", "deletion", 1), ("all", "trisomy", 2)]
    assert [(row.name, row.kind, row.images) for row in rows] == kinds
    assert [row.recall.value for row in rows[:3]] == [0.5, 1.0, 0.0]
    assert (rows[3].recall, rows[3].recall_at_threshold) == (share(1, 2, 0.95), share(2, 2, 0.95))
    table = flat_table(rows)
    assert table.loc[3, ["recall_low", "recall_high"]].tolist() == [rows[3].recall.low, rows[3].recall.high]


def test_folds_are_counted_together_each_at_its_own_threshold():
    runs = [make_run(fold, images=40, skill=0.5) for fold in range(2)]
    for run in runs:
        run.frame["kind"] = run.frame["label"].map({"all": "L1", "hem": None})
    result = evaluate_runs(runs, SETTINGS)
    hits = 0
    for run, threshold in zip(runs, result.threshold.value, strict=True):
        hits += (run.part("test").frame.query("label == 'all'")["prob_all"] >= threshold).sum()
    row = result.per_kind[1]
    assert (row.kind, row.images, row.recall_at_threshold.hits) == ("L1", 40, hits)
    many = make_run(classes=("a", "b", "c"))  # they have no threshold
    many.frame["kind"] = "x"
    assert {row.recall_at_threshold for row in evaluate_runs([many], SETTINGS).per_kind} == {None}


@pytest.mark.parametrize("kind", [None, "L1"])
def test_the_table_is_written_where_a_kind_is_known(tmp_path, kind):
    run = make_run(images=40)
    run.frame["kind"] = kind
    write_evaluation(tmp_path, run, SETTINGS)
    path = tmp_path / "per_kind.csv"
    assert path.exists() == (kind is not None)
    if kind:
        assert pd.read_csv(path)["images"].tolist() == [20, 20]
