"""Folds pooled."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.evaluation.pooling.pooling import is_balanced, pool
from tests.helpers.predictions import make_run

FACTS = ("name", "source", "config", "folds")


def test_the_pool_holds_the_test_images_of_every_fold():
    pooled = pool([make_run(fold, images=10, subjects=5) for fold in (2, 0, 1)])
    assert len(pooled.frame) == 30
    assert set(pooled.frame["part"]) == {"test"}
    assert pooled.about["fold"] == [0, 1, 2]
    assert pooled.about["protocol"] == "subject"
    assert pooled.positive_class == "all"


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "nothing to pool"),
        ([make_run(0), make_run(0, seed=1)], "60 test images are in more than one run, image_00000 first"),
        ([make_run(0), make_run(1, classes=("all", "hem"))], "one run tells hem, all"),
        ([make_run(0), make_run(1, about={"synthetic": True})], "synthetic and real"),
        ([make_run(0), make_run(1, about={"protocol": "image"})], "protocol subject and image cannot be pooled"),
        ([make_run(0), make_run(1, about={"on": "clinic"})], "runs of on None and clinic cannot be pooled"),
        *[([make_run(0, about={fact: 1}), make_run(1, about={fact: 2})], f"runs of {fact}") for fact in FACTS],
    ],
)
def test_what_does_not_belong_together_is_refused(runs, message):
    with pytest.raises(UserError, match=message):
        pool(runs)


def test_members_of_natural_and_of_balanced_shares_are_not_mixed():
    assert (is_balanced({}), is_balanced({"balanced": True}), is_balanced({"balanced": [True, True]})) == (0, 1, 1)
    with pytest.raises(UserError, match="some runs were trained with balanced classes"):
        is_balanced({"balanced": [True, False]})
