"""A result in a sentence: beside chance and rules, by its interval, and what is recognised least."""

from dataclasses import replace

import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.types.result import EvaluationWarning, Interval, Kind
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (make_run(images=200, classes=tuple("abcd"), skill=9.0), "better than chance"),
        (make_run(images=200, classes=tuple("abcd"), skill=0.0), "a tie with chance"),
    ],
)
def test_a_sentence_says_whether_chance_is_as_good(run, words):
    result = evaluate_runs([run], SETTINGS)
    assert f", {words} (" in sentence(result)
    worse = sentence(replace(result, warnings=[EvaluationWarning("training", "stage b is worse")]))
    assert worse.endswith("a later stage of the training is worse than an earlier one.")


def with_figures(result, **figures):
    """A result with other figures of test images; recalls are named recall_<class>."""
    named = {name.replace("recall_", "recall/"): figure for name, figure in figures.items()}
    return replace(result, figures=result.figures | {("test", Kind.AT_HALF): result.metrics | named})


def test_what_is_written_alike_is_a_tie():
    result = evaluate_runs([make_run(images=200, classes=tuple("ab"))], SETTINGS)
    share = max(result.test.class_counts.values()) / 200
    for value in (share - 2e-4, share + 2e-4):
        same = with_figures(result, accuracy=Interval(value, value - 1e-4, value + 1e-4))
        rival = replace(same, positive_class=None, figures={("test", Kind.AT_HALF): same.metrics})
        assert "a tie with chance" in sentence(rival)
    least = {"recall_a": Interval(0.5), "recall_b": Interval(0.5004)}
    assert "all classes are recognised equally often (0.500)" in sentence(with_figures(result, **least))
    assert "recognised least: “a” (0.500)" in sentence(with_figures(result, **(least | {"recall_b": Interval(0.501)})))


@pytest.mark.parametrize(
    ("auc", "words"),
    [
        (Interval(0.9, 0.85, 0.95), "0.900 (0.850 to 0.950), better than a rule on size (0.800)"),
        (Interval(0.9, 0.75, 0.95), "0.900 (0.750 to 0.950), a tie with a rule on size (0.800)"),
        (Interval(0.7, 0.6, 0.79), "0.700 (0.600 to 0.790), worse than a rule on size (0.800)"),
        (Interval(1.0, 1.0, 1.0), "1.000, beside a rule on size (0.800)"),
        (Interval(1.0), "1.000, beside a rule on size (0.800)"),
    ],
)
def test_a_sentence_claims_what_the_interval_says_and_nothing_without_one(auc, words):
    result = with_figures(evaluate_runs([make_run()], SETTINGS), auc=auc)
    rule = {("test", f"{Kind.BASELINE}size"): {"auc": Interval(0.8, 0.7, 0.9)}}
    assert f"The AUC is {words}; " in sentence(replace(result, figures=result.figures | rule))
