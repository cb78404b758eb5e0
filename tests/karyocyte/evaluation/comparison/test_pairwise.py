"""All pairs of several experiments: paired differences."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from karyocyte.common.errors import UserError
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.comparison.pairwise import compare_groups
from karyocyte.evaluation.intervals.methods import percentiles
from karyocyte.evaluation.intervals.over_subjects import Resamples
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.leave_one_out import Combined
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.pooling.experiments import group_runs
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.comparison_tables import comparison_of_groups
from tests.helpers.predictions import make_predictions, make_run
from tests.helpers.terminal import printed

SETTINGS = EvaluationConfig(resamples=40)
SKILLS = {"good": 2.0, "fair": 0.7, "poor": 0.1}


def pair_of(first, second):
    """The one pair of two groups of runs, which get names of their own, and the comparison."""
    named = [replace(run, about={**run.about, "name": "first"}) for run in first]
    named += [replace(run, about={**run.about, "name": "second"}) for run in second]
    comparison = compare_groups(group_runs(named, [str(number) for number in range(len(named))]), SETTINGS)
    return comparison.pairs[0], comparison


def test_a_run_differs_from_itself_by_nothing():
    run = make_predictions(100, 100)
    shuffled = replace(run, frame=run.frame.sample(frac=1, random_state=0))
    pair, comparison = pair_of([run], [shuffled])
    for interval in pair.differences.values():
        assert (interval.value, interval.low, interval.high) == (0.0, 0.0, 0.0)
    assert comparison.warnings[-1].startswith("in 1 of 1 pairs fewer than 10 images are classified correctly by one")


def test_the_difference_is_scipys_paired_bootstrap():
    settings = EvaluationConfig(resamples=300)
    scored = [score(make_predictions(50, None, skill=skill, seed=seed)) for skill, seed in ((2.0, 0), (0.5, 1))]
    right = [(one.probabilities[:, 1] >= 0.5) == one.labels for one in scored]
    expected = stats.bootstrap(
        (right[0].astype(float), right[1].astype(float)),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=settings.resamples,
        rng=np.random.default_rng(settings.seed),
    ).confidence_interval
    statistics = [WeightedMetrics(one, names=("accuracy",)) for one in scored]
    both = Resamples(Combined(statistics, np.subtract.reduce), scored[0], settings)
    assert both.point[0] == pytest.approx(right[0].mean() - right[1].mean())
    assert percentiles(both.drawn[0], settings.confidence)[:2] == pytest.approx(tuple(expected))


def test_folds_are_pooled():
    first, second = ([make_run(fold, skill=skill) for fold in range(3)] for skill in (2.0, 0.2))
    pair, comparison = pair_of(first, second)
    assert (pair.images, pair.subjects) == (180, 36)
    values = [evaluate_runs(runs, SETTINGS).metrics["auc"].value for runs in (first, second)]
    assert pair.differences["auc"].value == pytest.approx(values[0] - values[1])
    assert pair.differences["auc"].low > 0
    assert "fewer than 20 subjects in “hem” (18), “all” (18)" in comparison.warnings[0]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (make_predictions(first=1), "image_00000"),
        (make_predictions(classes=("all", "hem")), "one tells hem, all .* apart, the other all, hem"),
        (make_predictions(subjects=13), "the label of .* images differs"),
        (make_predictions(subjects=20), "the subject of .* images differs"),
    ],
)
def test_what_cannot_be_paired_is_refused(other, message):
    groups = group_runs([make_predictions(subjects=12), replace(other, about={"name": "other"})], ["1", "2"])
    (left_out,) = compare_groups(groups, SETTINGS).left_out
    with pytest.raises(UserError, match=message):
        raise left_out.reason


def test_tables_fit_the_terminal_and_pairs_that_cannot_be_compared_are_left_out():
    runs = [make_run(images=60, subjects=20, skill=skill, about={"name": name}) for name, skill in SKILLS.items()]
    groups = group_runs([*runs, make_run(2, images=30, about={"name": "elsewhere"})], list("1234"))
    results = [evaluate_runs(list(group.runs), SETTINGS) for group in groups]
    comparison = compare_groups(groups, SETTINGS)
    assert [(pair.first, pair.second) for pair in comparison.left_out] == [(name, "elsewhere") for name in SKILLS]
    for width in (80, 120):
        text = printed(comparison_of_groups(results, comparison), width)
        assert "…" not in text
        assert "not corrected for 3 pairs" in " ".join(text.split())
        assert "left out 1 - 4, 2 - 4, 3 - 4: " in text
        assert "1 - 3" in text
