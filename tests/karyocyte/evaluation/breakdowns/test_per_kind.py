"""Recall per kind."""

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.run.evaluate import evaluate_runs
from tests.helpers.predictions import join, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20)


def test_each_kind_is_counted_at_one_half_and_at_the_threshold():
    test = with_scores([1, 1, 1, 1, 0, 0], [0.9, 0.4, 0.2, 0.6, 0.6, 0.1])
    test.frame["kind"] = ["trisomy", "trisomy", "deletion", None, None, None]
    validation = with_scores([1, 0], [0.3, 0.15], part="validation")  # the threshold is 0.3
    kinds = evaluate_runs([join(validation, test)], SETTINGS).sections("of kind ")
    recalls = {(kind, name): metric for kind, metrics in kinds.items() for name, metric in metrics.items()}
    counted = {("", "hem"): (1, 2), ("", "all"): (1, 1), ("deletion", "all"): (0, 1), ("trisomy", "all"): (1, 2)}
    for (kind, label), counts in counted.items():
        assert recalls[kind, f"recall/{label}"] == share(*counts, 0.95)
    assert recalls["trisomy", "recall_at_threshold/all"] == share(2, 2, 0.95)


def test_folds_are_counted_together_each_at_its_own_threshold():
    runs = [make_run(fold, images=40, skill=0.5) for fold in range(2)]
    for run in runs:
        run.frame["kind"] = run.frame["label"].map({"all": "L1", "hem": None})
    result = evaluate_runs(runs, SETTINGS)
    hits = 0
    for run, threshold in zip(runs, result.thresholds, strict=True):
        hits += (run.part("test").frame.query("label == 'all'")["prob_all"] >= threshold.value).sum()
    assert result.sections("of kind ")["L1"]["recall_at_threshold/all"] == share(hits, 40, 0.95)
    many = make_run(classes=("a", "b", "c"))  # they have no threshold
    many.frame["kind"] = "x"
    assert list(evaluate_runs([many], SETTINGS).sections("of kind ")["x"]) == ["recall/a", "recall/b", "recall/c"]
    assert evaluate_runs([make_run()], SETTINGS).sections("of kind ") == {}
