"""Figures that look certain have a word beside them, in the terminal, on the page and of several experiments."""

from dataclasses import replace

import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.certainty import NO_WIDTH, TOO_FEW, certainty_lines
from karyocyte.evaluation.tables.comparison_tables import group_tables
from karyocyte.evaluation.tables.tables import metrics_table, subjects_table
from karyocyte.evaluation.tables.terminal import whole
from karyocyte.evaluation.types.result import Interval, Kind
from tests.helpers.predictions import make_run, with_scores
from tests.helpers.terminal import printed

SETTINGS = EvaluationConfig(resamples=20)
LABELS = [0] * 6 + [1] * 6
ALIKE = "interval of no width: no resample of the images differs"


def result_of(scores, subjects=None):
    return evaluate_runs([with_scores(LABELS, scores, subjects)], SETTINGS)


def test_all_images_right_or_wrong_are_no_certainty_and_usual_figures_have_no_word():
    result = result_of([0.1] * 6 + [0.9] * 6)
    notes = metrics_table(result).notes
    assert "all 12 images are predicted right" in notes
    assert "all 12 images are predicted right" in printed(whole(result))
    several = [note for table in group_tables(["a", "b"], [result, result]) for note in table.notes]
    assert not [note for note in [*several, *notes] if "_" in note or "auc" in note]  # names in words, no keys
    assert {f"{number}: all 12 images are predicted right" for number in (1, 2)} <= set(several)
    assert "all 12 images are predicted wrong" in metrics_table(result_of([0.9] * 6 + [0.1] * 6)).notes
    usual = evaluate_runs([make_run(images=90, subjects=30, skill=0.5)], SETTINGS)
    assert certainty_lines({name: usual.metrics[name] for name in ("accuracy", "auc")}, "90 images", "subjects") == []


def test_all_subjects_right_have_a_word_of_their_own_and_thresholds_too():
    scores = [0.1, 0.1, 0.6, 0.1, 0.1, 0.6, 0.9, 0.9, 0.4, 0.9, 0.9, 0.4]
    result = result_of(scores, [f"s{number // 3}" for number in range(12)])
    assert "all 4 subjects are predicted right" in subjects_table(result).notes
    at_threshold = replace(result, figures=result.figures | {("test", Kind.AT_THRESHOLD): {"accuracy": Interval(0.0)}})
    assert "all 12 images are predicted wrong" in metrics_table(at_threshold).notes


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (Interval(0.5, 0.4997, 0.5, 9, "percentile"), NO_WIDTH),
        (Interval(1.0, n=1), TOO_FEW),
        (Interval(0.7), None),
        (Interval(1.0, 0.6, 1.0, 9, "exact"), None),
        (Interval(None), None),
    ],
)
def test_the_word_says_what_the_figure_rests_on(metric, words):
    assert certainty_lines({"m": metric}, "9 images", "images") == ([f"m: {words.format('images')}"] if words else [])
