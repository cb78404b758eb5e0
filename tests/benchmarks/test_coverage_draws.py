"""The truth of drawn data sets, the counting, and how often the intervals of the house cover."""

import numpy as np
import pytest

from benchmarks.interval_coverage import (
    COMPARED,
    MAIN,
    METHODS,
    OF_DIFFERENCE,
    WORLDS,
    World,
    draw_pair,
    measure,
    truth,
)
from benchmarks.interval_coverage import truth_of_pair as true_differences
from common.config.schema import EvaluationConfig
from evaluation.intervals.bootstrap import intervals
from evaluation.intervals.exact import share
from evaluation.metrics.resampled import evaluate

QUICK = EvaluationConfig(resamples=50)


@pytest.mark.parametrize("world", [*WORLDS, World("rare", 0.15, 0.8, 0.5)])
def test_the_truth_is_what_very_many_subjects_show(world):
    pair = draw_pair(world, 20_000, np.random.default_rng(0))
    first, second = (evaluate(one) for one in pair)
    for name, value in truth(world).items():
        assert first[name] == pytest.approx(value, abs=0.01), name
    for name, value in true_differences(world).items():
        metric = name.removesuffix(OF_DIFFERENCE)
        assert first[metric] - second[metric] == pytest.approx(value, abs=0.008), name


def test_images_of_a_subject_are_alike_and_unequal_in_number():
    first, second = draw_pair(WORLDS[0], 3_000, np.random.default_rng(1))
    assert first.cluster_count == 3_000
    assert np.array_equal(first.labels, second.labels)
    numbers = np.bincount(first.clusters)
    assert numbers.min() == 1
    assert numbers.max() > 40
    assert np.median(numbers) == pytest.approx(WORLDS[0].images, abs=1)
    right = (first.probabilities[:, 1] >= 0.5) == first.labels
    share_of = np.bincount(first.clusters, right)[numbers >= 8] / numbers[numbers >= 8]
    # Of independent images of this accuracy the shares would vary by less than 0.14.
    assert share_of.std() > 0.2


def test_cases_are_counted_by_hand():
    seen = []
    found = measure(WORLDS[0], 6, QUICK, 12, METHODS, lambda: seen.append(1))
    assert len(seen) == 12
    assert len(found) == (len(MAIN) + len(COMPARED)) * len(METHODS)
    row = found.set_index(["metric", "method"]).loc[("sensitivity", "logit_t")]
    true, ends, undefined = truth(WORLDS[0])["sensitivity"], [], 0
    for case in range(12):
        scored, _ = draw_pair(WORLDS[0], 6, np.random.default_rng([0, 6, case]))
        interval = intervals(scored, QUICK.model_copy(update={"seed": case}))["sensitivity"]
        undefined += interval.undefined
        ends += [] if interval.low is None else [(interval.low, interval.high)]
    covered = sum(low <= true <= high for low, high in ends)
    assert (row["cases"], row["without"], row["covered"]) == (12, 12 - len(ends), covered)
    assert (row["share_low"], row["share_high"]) == tuple(
        share(covered, len(ends), 0.95)[end] for end in ("low", "high")
    )
    assert row["share"] + row["missed_low"] + row["missed_high"] == pytest.approx(1)
    assert row["width"] == pytest.approx(np.diff(ends).mean())
    assert row["undefined"] == undefined > 0  # few of six subjects are positive


def test_a_metric_that_no_case_defines_has_no_share():
    found = measure(World("one class", 0.0, 1.0, 1.0), 4, QUICK, 3, ("logit_t",)).set_index("metric")
    assert found.loc["auc", "without"] == 3
    assert found.loc["auc", "undefined"] == 3 * 50
    assert np.isnan(found.loc["auc", "share"])


@pytest.mark.slow
def test_95_percent_intervals_cover_the_truth_in_93_to_97_percent_of_cases_at_100_subjects():
    found = measure(WORLDS[0], 100, EvaluationConfig(), 1000, (EvaluationConfig().interval,)).set_index("metric")
    shares = found.loc[list(MAIN), "share"]
    assert shares.between(0.93, 0.97).all(), shares
    assert (found["without"] == 0).all()
    assert found.loc[[name + OF_DIFFERENCE for name in COMPARED], "share"].between(0.93, 0.97).all()


@pytest.mark.slow
def test_few_subjects_fall_short_less_than_with_percentiles():
    found = measure(WORLDS[0], 14, EvaluationConfig(), 1000, ("logit_t", "percentile"))
    shares = found.pivot(index="metric", columns="method", values="share").loc[list(MAIN)]
    assert (shares["logit_t"] > 0.91).all(), shares
    assert (shares["percentile"] < 0.93).all(), shares
