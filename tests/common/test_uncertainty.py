"""What many predictions say together, against scipy and against the definitions, one image at a time."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from common.uncertainty import summarise

NAMES = ("a", "b", "c", "d")
PAIR = ("normal", "abnormal")


@st.composite
def drawn_passes(draw):
    """Probabilities (T, N, K), sharp or flat."""
    shape = draw(st.integers(1, 30)), draw(st.integers(1, 5)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return rng.dirichlet(np.full(shape[2], draw(st.sampled_from([0.05, 1.0, 20.0]))), size=shape[:2])


def of_one_image(*passes):
    """Summarise passes of one image and two classes by their probabilities of the positive class."""
    positive = np.array(passes, dtype=float)[:, None]
    return summarise(np.stack([1 - positive, positive], axis=2), PAIR).iloc[0]


@settings(max_examples=60, deadline=None)
@given(drawn_passes())
def test_it_agrees_with_scipy_and_the_definitions(passes):
    count, images, width = passes.shape
    names = NAMES[:width]
    summary = summarise(passes, names)
    assert len(summary) == images
    for image, row in enumerate(summary.itertuples()):
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
    expected = summarise(passes, names).iloc[images].reset_index(drop=True)
    shuffled = summarise(passes[order][:, images], names)
    assert expected["sampled_label"].tolist() == shuffled["sampled_label"].tolist()
    numbers = expected.columns.drop("sampled_label")
    np.testing.assert_allclose(expected[numbers].to_numpy(float), shuffled[numbers].to_numpy(float), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(drawn_passes())
def test_two_classes_have_one_variance(passes):
    pair = passes[..., :2] / passes[..., :2].sum(axis=2, keepdims=True)
    np.testing.assert_allclose(summarise(pair, PAIR)["sampled_variance"], pair[..., 1].var(axis=0), atol=1e-12)


def test_passes_that_agree_leave_no_doubt_about_the_weights():
    single = np.array([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5]])
    summary = summarise(np.repeat(single[None], 5, axis=0), NAMES[:3])
    assert summary["sampled_label"].tolist() == ["a", "c"]
    assert summary["sampled_votes"].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(summary[["sampled_variance", "sampled_mutual_information"]], 0, atol=1e-9)
    np.testing.assert_allclose(summary["sampled_confidence"], [0.7, 0.5])


def test_passes_that_contradict_each_other_are_as_uncertain_as_can_be():
    row = of_one_image(0, 1)
    assert [row["sampled_votes"], row["sampled_variance"]] == [0.5, 0.25]
    assert row[["sampled_entropy", "sampled_mutual_information"]].tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("passes", "label"),
    [
        pytest.param((0.4, 0.9), "abnormal", id="a tie of votes: the mean decides"),
        pytest.param((0.6, 0.1), "normal", id="a tie of votes: the mean decides for the negative class"),
        pytest.param((0.49, 0.49, 1.0), "normal", id="a majority beats a higher mean"),
        pytest.param((0.5, 0.5, 0.5), "abnormal", id="a half is a vote for the positive class"),
        pytest.param((0.0, 1.0), "abnormal", id="a tie of votes and means: the positive class"),
    ],
)
def test_the_label_of_two_classes(passes, label):
    assert of_one_image(*passes)["sampled_label"] == label


@pytest.mark.parametrize(
    ("passes", "confidence"), [([0.51] * 100, 0.51), ([0.99] * 100, 0.99), ([0.9] * 80 + [0.1] * 20, 0.72)]
)
def test_votes_just_above_a_half_are_worth_less_than_sure_ones(passes, confidence):
    assert of_one_image(*passes)["sampled_confidence"] == pytest.approx(confidence)


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
        summarise(passes, PAIR)
