"""The interval of the difference between our figure and a printed one."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from datamodules.manifest.same_cells import SIDES, SameCells
from karyocyte.evaluation.types.result import Estimate
from packages.reproduction.tests.written_claims import claim, write_results
from reproduction.claims import printed_claims
from reproduction.difference import Spread, difference, spreads, verdict
from tests.helpers.predictions import join, make_predictions


def test_the_variance_of_a_share_by_images_is_that_of_its_closed_form_and_pairs_the_trainings():
    run = make_predictions(150, 30)
    right = run.probabilities.argmax(axis=1) == run.labels
    spread = spreads([run, run], ["accuracy", "auc"])
    assert spread["accuracy"].of_mean == pytest.approx(right.mean() * (1 - right.mean()) / 149)
    assert spread["loss"].of_mean == pytest.approx(np.log(run.probabilities[range(150), run.labels]).var() / 149)
    for name in ("accuracy", "auc", "loss"):  # the same training twice is as good as once
        assert spread[name].of_image == pytest.approx(150 * spread[name].of_mean)


def test_seeds_are_averaged_and_images_that_not_every_run_has_count_by_their_share():
    runs = [make_predictions(100, seed=seed, first=first, about={"seed": seed}) for seed, first in ((0, 0), (1, 500))]
    spread = spreads(runs, ["accuracy"])["accuracy"]
    accuracies = [(run.probabilities.argmax(axis=1) == run.labels).mean() for run in runs]
    assert (spread.seeds, spread.training) == (2, pytest.approx(np.var(accuracies, ddof=1)))
    assert spread.of_mean == pytest.approx(spread.of_image / 200, rel=0.02)  # no image in common: independent


def test_the_images_of_one_cell_count_once():
    once = make_predictions(40, about={"source": "cnmc"})
    pairs = SameCells.of_key("known", "cnmc").same.drop_duplicates("image_left").drop_duplicates("image_right")
    pairs = pairs[~pairs["image_left"].isin(pairs["image_right"])][:40]
    both = [replace(once, frame=once.frame.assign(image_id=pairs[f"image_{side}"].array)) for side in SIDES]
    single, twice = spreads(both[:1], ["accuracy", "auc"]), spreads([join(*both)], ["accuracy", "auc"])
    for name in ("accuracy", "auc", "loss"):
        assert (twice[name].cells, twice[name].of_mean) == (40, pytest.approx(single[name].of_mean))
        assert twice[name].of_image == pytest.approx(2 * single[name].of_image)


def test_of_seeds_alone_the_interval_is_that_of_one_further_training():
    assert Spread(3, 0.01).reach(100) == pytest.approx(stats.t.ppf(0.975, 2) * 0.1 * np.sqrt(1 / 3 + 1))


def test_the_interval_holds_the_difference_of_drawn_trainings_and_images_as_often_as_it_says():
    """Trainings are better or worse, images harder or easier; print is one more training on other images."""
    rng, images, printed_images, held = np.random.default_rng(0), 400, 600, []
    for _ in range(1500):
        skill = rng.normal(0.9, 0.01, size=(4, 1))
        right = rng.random(images) < skill[:3]
        variances = right.mean(axis=0).var(ddof=1) / images, right.var(axis=1, ddof=1).mean()
        spread = Spread(3, right.mean(axis=1).var(ddof=1), images, *variances)
        printed = (rng.random(printed_images) < skill[3]).mean()
        held.append(abs(right.mean() - printed) <= spread.reach(printed_images))
    assert 0.94 < np.mean(held) < 0.99


@pytest.mark.parametrize(("printed", "ends"), [("0.90", (-0.01, 0.005)), ("45/50", (0, 0)), ("0.9000", (-1e-4, 5e-5))])
def test_the_interval_is_wider_by_the_rounding_of_the_printed_figure(tmp_path, printed, ends):
    (printed_claim,) = printed_claims(write_results(tmp_path, [claim(printed=printed)]))
    found = difference(printed_claim, 0.9, Spread(3, 0.0))
    assert (found.value, found.low, found.high) == pytest.approx((0, *ends))
    assert difference(printed_claim, 0.8, Spread(1, np.nan)) == Estimate(pytest.approx(-0.1))


@pytest.mark.parametrize(
    ("metric", "low", "high", "grade"),
    [
        ("auc", -0.02, 0.02, "reproduced"),
        ("auc", 0.005, 0.015, "reproduced"),
        ("auc", -0.021, 0.01, "cannot tell: 0.031 wide"),
        ("auc", 0.001, 0.03, "higher (better)"),
        ("accuracy", -0.03, -0.001, "lower (worse)"),
        ("loss", 0.1, 0.2, "higher (worse)"),
        ("epoch_loss", -0.2, -0.1, "lower (better)"),
    ],
)
def test_the_grade_of_a_difference(metric, low, high, grade):
    assert verdict(metric, Estimate((low + high) / 2, low, high)) == grade
