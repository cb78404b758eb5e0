import numpy as np
import pytest

from evaluation.core.labelled import score
from evaluation.uncertainty.conformal import measure_sets, needed_images, quantile, quantiles, sets
from tests.helpers.predictions import make_predictions, with_scores


def test_the_quantile_is_the_finite_sample_one():
    scores = np.arange(1, 20) / 20  # n = 19: the 18th smallest of them at 0.9
    assert quantile(np.random.default_rng(0).permutation(scores), 0.9) == 18 / 20
    assert quantile(np.arange(9) / 10, 0.9) == 0.8


@pytest.mark.parametrize(("coverage", "images"), [(0.9, 9), (0.95, 19), (0.99, 99), (0.5, 1), (0.3, 1)])
def test_so_many_images_are_needed(coverage, images):
    assert needed_images(coverage) == images
    # So many have a quantile among them, and one less has none.
    assert np.ceil((images + 1) * coverage - 1e-9) <= images
    assert images == 1 or np.ceil(images * coverage - 1e-9) > images - 1


@pytest.mark.parametrize("by_class", [False, True])
def test_exchangeable_draws_are_covered(by_class):
    """Over many draws of validation and test the coverage is at least 0.8, and at most 1 / (n + 1) more."""
    drawn = {"hem": [], "all": []}
    for seed in range(300):
        run = make_predictions(images=80, subjects=None, skill=0.8, seed=seed)
        order = np.random.default_rng(seed).permutation(80)
        run.frame["label"] = run.frame["label"].to_numpy()
        scored = score(run)
        half, rest = order[:40], order[40:]
        validation = score(with_scores(scored.labels[half], scored.probabilities[half, 1]))
        limits = quantiles(validation, 0.8, by_class)
        held = sets(scored.probabilities[rest], limits)
        hit = held[np.arange(40), scored.labels[rest]]
        for index, name in enumerate(("hem", "all")):
            drawn[name].append(hit[scored.labels[rest] == index])
    found = {name: np.concatenate(hits) for name, hits in drawn.items()}
    everything = np.concatenate(list(found.values()))
    slack = 0.01
    assert 0.8 - slack <= everything.mean() <= 0.8 + (1 / 15 if by_class else 1 / 41) + slack
    if by_class:
        assert all(hits.mean() >= 0.8 - 2 * slack for hits in found.values())


def test_the_mondrian_quantile_covers_the_rare_class_that_the_other_neglects():
    rng = np.random.default_rng(0)
    labels = rng.random(4_000) < 0.1
    scores = np.clip(rng.normal(np.where(labels, 0.3, 0.1), 0.1), 0, 1)
    validation, test = (
        score(with_scores(labels[:2000], scores[:2000])),
        score(with_scores(labels[2000:], scores[2000:])),
    )
    found = {}
    for by_class in (False, True):
        held = sets(test.probabilities, quantiles(validation, 0.9, by_class))
        found[by_class] = measure_sets(test.labels, held, test.classes, 0.95)
    assert found[False]["coverage"]["value"] == pytest.approx(0.9, abs=0.03)
    assert found[False]["per_class"]["all"]["value"] < 0.5
    assert found[True]["per_class"]["all"]["value"] == pytest.approx(0.9, abs=0.06)


def test_too_few_images_leave_no_sets():
    eight = score(with_scores([0, 1] * 4, np.linspace(0.1, 0.9, 8)))
    assert quantiles(eight, 0.9, by_class=False) is None
    nine = score(with_scores([0, 1, 0, 1, 0, 1, 0, 1, 0], np.linspace(0.1, 0.9, 9)))
    assert quantiles(nine, 0.9, by_class=False) is not None
    assert quantiles(nine, 0.9, by_class=True) is None


def test_sizes_and_hits_are_counted():
    labels = np.array([0, 0, 1, 1])
    held = np.array([[True, True], [False, True], [False, False], [False, True]])
    found = measure_sets(labels, held, ("hem", "all"), 0.95)
    assert (found["one"], found["several"], found["none"]) == (0.5, 0.25, 0.25)
    assert (found["coverage"]["hits"], found["coverage"]["total"]) == (2, 4)
    assert found["per_class"]["hem"]["value"] == 0.5
