"""What many predictions say together, against scipy and against the definitions, one image at a time."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from common.uncertainty import summarise

NAMES = ("a", "b", "c", "d")


@st.composite
def drawn_passes(draw):
    """Probabilities (T, N, K), sharp or flat."""
    shape = draw(st.integers(1, 30)), draw(st.integers(1, 5)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return rng.dirichlet(np.full(shape[2], draw(st.sampled_from([0.05, 1.0, 20.0]))), size=shape[:2])


@settings(max_examples=60, deadline=None)
@given(drawn_passes())
def test_it_agrees_with_scipy_and_the_definitions(passes):
    count, images, width = passes.shape
    names = NAMES[:width]
    found = summarise(passes, names)
    assert len(found) == images
    for image, row in enumerate(found.itertuples()):
        mine = passes[:, image]
        counts = Counter(names[int(np.argmax(single))] for single in mine)
        label = names.index(row.sampled_label)
        assert counts[row.sampled_label] == max(counts.values())
        assert row.sampled_votes == pytest.approx(max(counts.values()) / count)
        assert [getattr(row, f"sampled_prob_{name}") for name in names] == pytest.approx(mine.mean(axis=0))
        assert row.sampled_variance == pytest.approx(stats.tvar(mine[:, label], ddof=0) if count > 1 else 0, abs=1e-12)
        whole = stats.entropy(mine.mean(axis=0), base=width)
        assert row.sampled_entropy == pytest.approx(whole, abs=1e-9)
        # Mutual information is the mean divergence of the passes from their mean.
        divergence = np.mean([stats.entropy(single, mine.mean(axis=0), base=width) for single in mine])
        assert row.sampled_mutual_information == pytest.approx(divergence, abs=1e-6)
        voters = mine[np.argmax(mine, axis=1) == label, label]
        assert row.sampled_confidence == pytest.approx(row.sampled_votes * voters.mean())
        assert 0 < row.sampled_confidence <= row.sampled_votes + 1e-12


@settings(max_examples=30, deadline=None)
@given(drawn_passes(), st.randoms(use_true_random=False))
def test_the_order_of_the_passes_does_not_matter_and_that_of_the_images_is_kept(passes, random):
    order, images = list(range(len(passes))), list(range(passes.shape[1]))
    random.shuffle(order)
    random.shuffle(images)
    names = NAMES[: passes.shape[2]]
    found = summarise(passes, names).iloc[images].reset_index(drop=True)
    shuffled = summarise(passes[order][:, images], names)
    assert found["sampled_label"].tolist() == shuffled["sampled_label"].tolist()
    numbers = found.columns.drop("sampled_label")
    np.testing.assert_allclose(found[numbers].to_numpy(float), shuffled[numbers].to_numpy(float), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(drawn_passes())
def test_two_classes_have_one_variance(passes):
    pair = passes[..., :2] / passes[..., :2].sum(axis=2, keepdims=True)
    found = summarise(pair, ("normal", "abnormal"))
    np.testing.assert_allclose(found["sampled_variance"], pair[..., 1].var(axis=0), atol=1e-12)


def test_passes_that_are_alike_leave_nothing_open():
    single = np.array([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5]])
    found = summarise(np.repeat(single[None], 5, axis=0), NAMES[:3])
    assert found["sampled_label"].tolist() == ["a", "c"]
    assert found["sampled_votes"].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(found["sampled_variance"], 0, atol=1e-12)
    np.testing.assert_allclose(found["sampled_mutual_information"], 0, atol=1e-9)
    np.testing.assert_allclose(found["sampled_confidence"], [0.7, 0.5])


def test_passes_that_contradict_each_other_leave_everything_open():
    found = summarise(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), ("normal", "abnormal")).iloc[0]
    assert found["sampled_votes"] == 0.5
    assert found["sampled_entropy"] == pytest.approx(1)
    assert found["sampled_mutual_information"] == pytest.approx(1)
    assert found["sampled_variance"] == pytest.approx(0.25)


def test_a_tie_of_votes_is_broken_by_the_mean_probability():
    pair = np.array([[[0.6, 0.4]], [[0.1, 0.9]]])
    assert summarise(pair, ("normal", "abnormal"))["sampled_label"].tolist() == ["abnormal"]
    assert summarise(1 - pair, ("normal", "abnormal"))["sampled_label"].tolist() == ["normal"]


def test_a_majority_beats_a_higher_mean():
    passes = np.array([[[0.51, 0.49]], [[0.51, 0.49]], [[0.0, 1.0]]])
    found = summarise(passes, ("normal", "abnormal")).iloc[0]
    assert found["sampled_label"] == "normal"
    assert found["sampled_prob_abnormal"] > 0.5
    assert found["sampled_confidence"] == pytest.approx(2 * 0.51 / 3)


def test_a_half_is_a_vote_for_the_positive_class_as_everywhere():
    assert summarise(np.full((3, 1, 2), 0.5), ("normal", "abnormal"))["sampled_label"].tolist() == ["abnormal"]


def test_a_tie_of_votes_and_means_is_a_call_of_the_positive_class_as_everywhere():
    contradiction = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert summarise(contradiction, ("normal", "abnormal"))["sampled_label"].tolist() == ["abnormal"]


def test_votes_just_above_a_half_are_worth_less_than_sure_ones():
    def score(probability, votes=100):
        passes = np.full((100, 1, 2), 0.5)
        passes[:votes, 0], passes[votes:, 0] = (1 - probability, probability), (0.9, 0.1)
        return summarise(passes, ("normal", "abnormal"))["sampled_confidence"].iloc[0]

    assert score(0.51) == pytest.approx(0.51)
    assert score(0.99) == pytest.approx(0.99)
    assert score(0.9, votes=80) == pytest.approx(0.72)


@pytest.mark.parametrize(
    "passes",
    [
        np.ones((2, 3)),
        np.full((0, 2, 2), 0.5),
        np.full((2, 2, 3), 1 / 3),
        np.full((1, 1, 2), np.nan),
        np.ones((1, 1, 2)),
    ],
)
def test_what_is_no_probability_of_these_classes_is_refused(passes):
    with pytest.raises(ValueError, match="passes"):
        summarise(passes, ("normal", "abnormal"))
