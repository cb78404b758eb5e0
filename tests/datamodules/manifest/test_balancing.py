"""Plans that even out the classes of the train part."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_sample_weight

from datamodules.manifest.balancing import plan
from karyocyte.common.errors import UserError

counts_of_classes = st.lists(st.integers(1, 40), min_size=2, max_size=5)


def part(counts):
    """Return labels and manifest rows (not 0, 1, 2, ...) of a train part, mixed."""
    labels = np.repeat(np.arange(len(counts)), counts)
    order = np.random.default_rng(0).permutation(len(labels))
    return labels[order], np.arange(len(labels), dtype=np.int64) * 3 + 7


def drawn_labels(made, labels, rows):
    """Return the label of each image that a plan draws."""
    of_row = dict(zip(rows, labels, strict=True))
    return np.array([of_row[row] for row in made.rows], dtype=int)


def test_another_seed_draws_other_images_of_the_paper():
    first, second = (plan(*part([1964, 4432]), 2, "paper", seed) for seed in (0, 1))
    assert not np.array_equal(first.rows, second.rows)


@settings(max_examples=60)
@example([1964, 4432], 0)  # of the paper: 3,198 of each, 1,234 of them copies
@given(counts_of_classes, st.integers(0, 9))
def test_the_papers_plan_holds_for_any_counts(counts, seed):
    labels, rows = part(counts)
    made = plan(labels, rows, len(counts), "paper", seed)
    target = len(rows) // len(counts)
    drawn = drawn_labels(made, labels, rows)
    assert np.bincount(drawn, minlength=len(counts)).tolist() == [target] * len(counts)
    assert len(set(zip(made.rows, made.copy, strict=True))) == len(made.rows)
    for index, count in enumerate(counts):
        copies = made.copy[drawn == index]
        used = np.unique(made.rows[drawn == index], return_counts=True)[1]
        assert copies.max(initial=0) == max(-(-target // count) - 1, 0)
        assert (copies == 0).sum() == min(count, target)  # a copy only of what is there itself
        assert used.max() - used.min() <= 1  # round again only when all have been drawn
    again = plan(labels, rows, len(counts), "paper", seed)
    assert np.array_equal(made.rows, again.rows)
    assert np.array_equal(made.copy, again.copy)


@given(counts_of_classes)
def test_weights_are_scikit_learns(counts):
    labels, rows = part(counts)
    sampling = plan(labels, rows, len(counts), "weighted_sampling", 0)
    assert np.allclose(sampling.sample_weights, compute_sample_weight("balanced", labels))
    by_row = np.arange(rows.max() + 1.0)  # weights of images multiply those of the classes
    assert np.allclose(sampling.weighted(by_row).sample_weights, sampling.sample_weights * rows)
    for made in (sampling, plan(labels, rows, len(counts), "none", 0)):
        assert np.array_equal(made.rows, rows)
        assert not made.copy.any()


@settings(max_examples=60)
@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(0, 9))
def test_hem_all_gives_the_smaller_class_one_copy_each_at_most(counts, seed):
    labels, rows = part(counts)
    made = plan(labels, rows, 2, "hem_all", seed)
    drawn = drawn_labels(made, labels, rows)
    target = min(max(counts), 2 * min(counts))
    assert np.bincount(drawn, minlength=2).tolist() == [target, target]
    assert len(set(zip(made.rows, made.copy, strict=True))) == len(made.rows)
    assert made.copy.max() <= 1
    smaller = int(np.argmin(counts))
    assert (drawn[made.copy == 1] == smaller).all()
    assert set(made.rows[drawn == smaller]) == set(rows[labels == smaller])


def test_hem_all_draws_what_finished_runs_had():
    made = plan(*part([4, 6]), 2, "hem_all", 0)
    assert made.rows.tolist() == [13, 19, 28, 34, 7, 10, 16, 22, 25, 31, 28, 34]
    assert made.copy.tolist() == [0] * 10 + [1] * 2


def test_hem_all_is_for_two_classes():
    with pytest.raises(UserError, match="balance=hem_all evens out two classes, there are 3"):
        plan(*part([3, 4, 5]), 3, "hem_all", 0)
