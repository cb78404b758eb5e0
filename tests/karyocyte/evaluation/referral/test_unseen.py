"""Positive subjects none of whose images is reviewed."""

import numpy as np
import pytest
from scipy.stats import binom

from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.referral.unseen import PREVALENCES, count_unseen, draw_unseen, unseen_table
from tests.helpers.predictions import with_scores

SUBJECTS = ["ill", "ill", "missed", "missed", "well", "well", "spared"]
LABELS = [1, 1, 1, 0, 0, 0, 0]
REVIEW = np.array([1, 0, 0, 0, 1, 0, 0], dtype=bool)


def counted(labels=LABELS, subjects=SUBJECTS, review=REVIEW):
    return count_unseen(score(with_scores(labels, [0.5] * len(labels), subjects)), review, 0.95)


def test_a_subject_with_one_reviewed_image_is_seen():
    unseen = counted()
    assert (unseen["positive"].hits, unseen["positive"].n) == (1, 2)
    assert (unseen["negative"].hits, unseen["negative"].n) == (1, 2)
    assert unseen["positive_images"].value == pytest.approx((0.5 + 1.0) / 2)
    assert unseen["negative_images"].value == pytest.approx((0.5 + 1.0) / 2)


def test_where_every_subject_has_a_positive_image_no_share_of_negative_ones_is_given():
    unseen = counted(labels=[1, 0, 1, 0, 1, 0, 1])
    assert unseen["negative"].n == 0
    assert unseen["negative_images"].value is None
    assert unseen_table({"run": unseen})["negatives"].eq(0).all()


def test_without_known_subjects_nothing_is_counted():
    assert counted(subjects=None) == {}


@pytest.mark.parametrize("hits", [0, 1, 2])
def test_the_upper_limit_is_the_share_at_which_so_few_are_improbable(hits):
    review = np.arange(30) >= hits
    upper = counted([1] * 30, [f"p{number}" for number in range(30)], review)["upper"].value
    assert binom.cdf(hits, 30, upper) == pytest.approx(0.05)


def test_counts_are_scaled_to_a_thousand_subjects_of_each_prevalence(tmp_path, saved_figures):
    table = unseen_table({"run": counted()})
    assert table["prevalence"].tolist() == list(PREVALENCES)
    assert table["per_1000"].tolist() == pytest.approx([500 * prevalence for prevalence in PREVALENCES])
    assert (table["per_1000_upper"] > table["per_1000"]).all()
    draw_unseen(tmp_path / "unseen.png", table, {"name": "run"})
    assert (tmp_path / "unseen.png").stat().st_size > 10_000
    counts, limit = saved_figures[0].axes[0].lines
    assert counts.get_ydata().tolist() == table["per_1000"].tolist()
    assert limit.get_ydata().tolist() == table["per_1000_upper"].tolist()
