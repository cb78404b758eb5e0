"""A result in a sentence: beside chance and rules, by its interval, and what is recognised least."""

from dataclasses import replace

import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.sentence import sentence
from karyocyte.evaluation.types.result import GAIN, Interval, Kind
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=20)


def with_figures(result, **figures):
    """A result with other figures of test images; recalls are named recall_<class>."""
    named = {name.replace("recall_", "recall/"): figure for name, figure in figures.items()}
    return replace(result, figures=result.figures | {("test", Kind.AT_HALF): result.metrics | named})


@pytest.mark.parametrize(("skill", "words"), [(9.0, "better than chance"), (0.0, "not shown to differ from chance")])
def test_a_sentence_says_whether_chance_is_as_good(skill, words):
    result = evaluate_runs([make_run(images=200, classes=tuple("abcd"), skill=skill)], SETTINGS)
    assert f", {words} (" in sentence(result)


def test_what_is_recognised_least_as_it_is_written_is_named():
    result = evaluate_runs([make_run(classes=tuple("ab"))], SETTINGS)
    least = {"recall_a": Interval(0.5), "recall_b": Interval(0.5004)}
    assert "all classes are recognised equally often (0.500)" in sentence(with_figures(result, **least))
    assert "recognised least: “a” (0.500)" in sentence(with_figures(result, **(least | {"recall_b": Interval(0.501)})))


@pytest.mark.parametrize(
    ("auc", "gain", "words"),
    [
        (Interval(0.9, 0.75, 0.95), Interval(0.1, 0.02, 0.2), "0.900 (0.750 to 0.950), better than"),
        (Interval(0.9, 0.85, 0.95), Interval(0.1, -0.01, 0.2), "0.900 (0.850 to 0.950), not shown to differ from"),
        (Interval(0.7, 0.6, 0.9), Interval(-0.1, -0.2, -0.01), "0.700 (0.600 to 0.900), worse than"),
        (Interval(0.8004, 0.8001, 0.95), Interval(0.0004, 0.0001, 0.1), "0.800 (0.800 to 0.950), a tie with"),
        (Interval(1.0, 0.9999, 1.0), Interval(0.2, 0.2, 0.2), "1.000, beside"),
        (Interval(1.0), Interval(0.2), "1.000, beside"),
    ],
)
def test_a_sentence_claims_what_the_interval_of_the_difference_says_and_nothing_without_one(auc, gain, words):
    result = with_figures(evaluate_runs([make_run()], SETTINGS), auc=auc)
    rule = {("test", f"{Kind.BASELINE}size"): {"auc": Interval(0.8, 0.7, 0.9), GAIN: gain}}
    text = sentence(replace(result, figures=result.figures | rule))
    assert text.startswith(f"The AUC is {words} a rule on size (0.800); ")
