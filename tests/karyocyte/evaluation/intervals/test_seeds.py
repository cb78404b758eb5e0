"""Means over folds and seeds, against pandas, scipy and the intervals of the folds alone."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.seeds import seed_means, with_seeds
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.types.result import Estimate
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=10)


def runs(folds=3, seeds=1, **facts):
    """Each seed tests the same images of a fold, with another model."""
    drawn = []
    for fold, seed in product(range(folds), range(seeds)):
        run = make_run(fold, about={"seed": seed}, **facts)
        noise = np.random.default_rng(seed).normal(size=len(run.frame))
        moved = np.clip(run.frame["prob_all"] + 0.1 * seed * noise, 0.01, 0.99)
        drawn.append(replace(run, frame=run.frame.assign(prob_all=moved, prob_hem=1 - moved)))
    return drawn


@pytest.mark.parametrize("name", ["f1_weighted", "auc", "accuracy", "sensitivity"])
def test_means_and_deviations_are_those_of_pandas(name):
    drawn = runs(3, 2)
    mean = seed_means(drawn, SETTINGS).metrics[name]
    rows = pd.DataFrame([{**run.about, "value": evaluate(score(run.part("test")))[name]} for run in drawn])
    assert mean.value == pytest.approx(rows["value"].mean())
    assert mean.sd_seeds == pytest.approx(rows.groupby("seed")["value"].mean().std())
    assert mean.sd_folds == pytest.approx(rows.groupby("fold")["value"].mean().std())


def test_of_runs_of_one_fold_and_seed_the_last_one_tells_how_far_folds_are_apart():
    drawn = runs(2)
    earlier = replace(drawn[1], frame=drawn[1].frame.assign(prob_all=0.6, prob_hem=0.4))
    means = [seed_means([drawn[0], *later], SETTINGS).metrics["accuracy"] for later in ([earlier, drawn[1]], drawn[1:])]
    assert means[0].sd_folds == means[1].sd_folds


def test_of_one_seed_the_interval_is_that_of_the_mean_over_the_folds():
    drawn = runs(3)
    intervals = evaluate_runs(drawn, SETTINGS).of(part="fold mean")
    for name, mean in seed_means(drawn, SETTINGS).metrics.items():
        interval = intervals[name]
        assert (mean.value, mean.low, mean.high) == pytest.approx((interval.value, interval.low, interval.high))
        assert mean.sd_seeds is None


def test_the_same_subjects_in_every_seed_do_not_narrow_the_interval():
    one = seed_means(runs(2, 1), SETTINGS)
    copies = [replace(run, about=run.about | {"seed": seed}) for run in runs(2) for seed in range(3)]
    three = seed_means(copies, SETTINGS)
    assert (three.images, three.subjects) == (one.images, one.subjects) == (120, 24)
    for name, mean in one.metrics.items():
        assert three.metrics[name].low == pytest.approx(mean.low)  # seeds that agree add nothing
        assert three.metrics[name].high == pytest.approx(mean.high)


@given(
    st.floats(0.3, 0.7), st.floats(0.0, 0.2), st.floats(0.0, 0.2), st.lists(st.floats(0.3, 0.7), min_size=2, max_size=6)
)
def test_the_interval_with_seeds_joins_both_by_their_squares(value, below, above, of_seeds):
    mean = with_seeds(Estimate(value, value - below, value + above), pd.DataFrame([of_seeds]), 0.95)
    low, high = stats.t.interval(0.95, len(of_seeds) - 1, loc=0.0, scale=max(stats.sem(of_seeds), 1e-300))
    assert mean.low == pytest.approx(max(0.0, value - np.hypot(below, low)), abs=1e-9)
    assert mean.high == pytest.approx(min(1.0, value + np.hypot(above, high)), abs=1e-9)


def test_seeds_are_compared_on_the_folds_that_all_of_them_have():
    values = pd.DataFrame([[0.5, 0.6], [0.9, np.nan]])  # fold 1 is easier, and seed 1 has not trained it
    mean = with_seeds(Estimate(0.6, 0.5, 0.7), values, 0.95)
    assert mean.sd_seeds == pytest.approx(np.std([0.5, 0.6], ddof=1))
    assert mean.sd_folds == pytest.approx(np.std([0.5, 0.9], ddof=1))
    apart = with_seeds(Estimate(0.6, 0.5, 0.7), pd.DataFrame([[0.5, np.nan], [np.nan, 0.6]]), 0.95)
    assert apart.sd_seeds is apart.sd_folds is None


def test_what_is_undefined_for_one_run_has_no_mean():
    mean = with_seeds(Estimate(None), pd.DataFrame([[0.5, np.nan]]), 0.95)
    assert mean.all_columns("auc") == dict.fromkeys(mean.all_columns("auc"))
