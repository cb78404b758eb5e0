"""One model on two data sets, and the classes of another set in the words of a run."""

import pytest
from scipy import stats

from common.config.schema import EvaluationConfig
from common.errors import UserError
from evaluation.comparison.external import beside_table, difference, map_classes, parse_map
from evaluation.evaluate import evaluate_runs
from evaluation.renderers import terminal
from evaluation.result import Estimate
from tests.helpers.predictions import make_run
from tests.helpers.terminal import printed

SETTINGS = EvaluationConfig(resamples=40)
ON = {"on": "elsewhere (folder, 60 images)"}


def of_share(right, images):
    low, high = stats.binomtest(right, images).proportion_ci(method="wilson")
    return Estimate(right / images, low, high)


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ((56, 70, 48, 80), (-0.333873, -0.052431)),
        ((9, 10, 3, 10), (-0.809018, -0.170523)),
        ((5, 56, 0, 29), (-0.192560, 0.038137)),
    ],
)
def test_the_gap_of_two_shares_has_newcombes_interval(counts, wanted):
    """The counts of Newcombe (1998), table II; limits of its method 10 by statsmodels."""
    right, images, other_right, other_images = counts
    actual = difference(of_share(right, images), of_share(other_right, other_images))
    assert actual.value == pytest.approx(other_right / other_images - right / images)
    assert (actual.low, actual.high) == pytest.approx(wanted, abs=1e-6)


def test_what_is_undefined_stays_so():
    known, unknown = Estimate(0.5, 0.4, 0.6), Estimate(None, None, None)
    assert difference(known, unknown) == unknown == difference(unknown, known)
    assert difference(known, Estimate(0.7, None, None)) == Estimate(pytest.approx(0.2), None, None)


def rows_of(inside, outside):
    """The cells of the table by metric: inside, outside, gap."""
    return {row[0]: row[1:] for row in beside_table(inside, outside).rows}


def test_both_results_are_side_by_side():
    inside = evaluate_runs([make_run(skill=3.0)], SETTINGS)
    outside = evaluate_runs([make_run(fold=1, skill=0.5, about=ON)], SETTINGS)
    rows = rows_of(inside, outside)
    assert rows["auc"][:2] == (inside.test.metrics["auc"], outside.test.metrics["auc"])
    at_threshold = [result.test.metrics_at_threshold["f1_weighted"] for result in (inside, outside)]
    assert rows["f1_weighted\nat the threshold"] == (*at_threshold, difference(*at_threshold))
    assert rows["auc"][2].high < 0


def test_sets_that_share_images_have_a_gap_without_interval():
    inside = evaluate_runs([make_run(skill=3.0)], SETTINGS)
    outside = evaluate_runs([make_run(skill=0.5, about=ON | {"external": {"in_own_test": 3, "notes": []}})], SETTINGS)
    gap = rows_of(inside, outside)["auc"][2]
    assert gap.value < 0
    assert (gap.low, gap.high) == (None, None)


def test_the_table_says_which_sets_and_how_their_classes_are_mixed():
    inside, outside = (evaluate_runs([run], SETTINGS) for run in (make_run(), make_run(fold=1, about=ON)))
    text = " ".join(printed(terminal(beside_table(inside, outside))).split())
    for words in ("trained on cnmc · tested on elsewhere", "all: 50% of 60 images inside, 50% of 60 outside"):
        assert words in text
    assert "…" not in text


def test_pairs_are_read():
    assert parse_map(["blast_1=all", "platelet="]) == {"blast_1": "all", "platelet": None}


@pytest.mark.parametrize("pairs", [["blast_1"], ["=all"], ["a=b=c"], ["blast=all", "blast=hem"]])
def test_pairs_that_cannot_be_read_are_an_error(pairs):
    with pytest.raises(UserError, match=f"--map {pairs[-1]}: "):
        parse_map(pairs)


def test_several_classes_may_become_one_one_may_be_left_out_and_others_keep_their_names():
    mapping = {"lymphocyte": "hem", "monocyte": "hem", "platelet": None}
    mapped = map_classes(["lymphocyte", "monocyte", "platelet", "all"], ["hem", "all"], mapping)
    assert mapped == {**mapping, "all": "all"}


@pytest.mark.parametrize(
    ("mapping", "fault"),
    [
        ({}, "no class blast, healthy, it has hem, all: .*--map blast=hem"),
        ({"blast": "leukaemia", "healthy": "hem"}, "--map blast=leukaemia: the run has no class leukaemia"),
        ({"blasts": "all"}, "--map blasts=...: the other set has no such class; it has blast, healthy"),
        ({"blast": None, "healthy": None}, "leaves out every class"),
    ],
)
def test_a_map_that_does_not_fit_is_an_error(mapping, fault):
    with pytest.raises(UserError, match=fault):
        map_classes(["blast", "healthy"], ["hem", "all"], mapping)
