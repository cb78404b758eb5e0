"""What many predictions say together, against scipy and against the definitions, one image at a time."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from karyocyte.runs.uncertainty import summarise

NAMES = ("a", "b", "c", "d")


@st.composite
def drawn_passes(draw):
    """Probabilities (T, N, K), sharp or flat."""
    shape = draw(st.integers(1, 30)), draw(st.integers(1, 5)), draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    return rng.dirichlet(np.full(shape[2], draw(st.sampled_from([0.05, 1.0, 20.0]))), size=shape[:2])


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
        tied = [index for index, name in enumerate(names) if counts[name] == max(counts.values())]
        assert label in tied
        assert mine[:, label].mean() == pytest.approx(mine[:, tied].mean(axis=0).max())
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


@pytest.mark.parametrize(
    ("passes", "label"),
    [
        pytest.param((0.49, 0.49, 1.0), "normal", id="a majority beats a higher mean"),
        pytest.param((0.5, 0.5, 0.5), "abnormal", id="a half is a vote for the positive class"),
        pytest.param((0.0, 1.0), "abnormal", id="a tie of votes and means: the positive class"),
    ],
)
def test_the_label_of_two_classes(passes, label):
    positive = np.array(passes)[:, None]
    summary = summarise(np.stack([1 - positive, positive], axis=2), ("normal", "abnormal"))
    assert summary["sampled_label"].tolist() == [label]
