"""Several models as one."""

import numpy as np
import pytest

from common.errors import UserError
from common.predictions import Predictions, uncertainty_of
from evaluation.ensembles import average
from evaluation.pooling import pool
from tests.helpers.predictions import make_run, with_passes


def members(count=3, fold=0, **keywords):
    """Models of the same images: same labels and parts, other probabilities."""
    runs = []
    for seed in range(count):
        run = make_run(fold, skill=1.0 + seed, about={"seed": seed, "run": f"outputs/seed={seed}"}, **keywords)
        runs.append(run)
    return runs


NAMES = ["a", "b", "c"]


def changed(run, **columns):
    return Predictions(run.frame.assign(**columns), run.classes, run.positive_class, run.about)


def test_probabilities_are_averaged_and_votes_counted():
    runs = members()
    found = average(runs, NAMES)
    mean = np.mean([run.probabilities for run in runs], axis=0)
    assert found.probabilities == pytest.approx(mean)
    assert found.frame["uncertainty"].to_numpy() == pytest.approx(uncertainty_of(mean))
    votes = np.sum([run.probabilities[:, 1] >= 0.5 for run in runs], axis=0)
    assert found.frame["sampled_votes"].to_numpy() == pytest.approx(np.maximum(votes, 3 - votes) / 3)
    assert found.sampled
    assert found.about["ensemble"] == 3
    assert found.about["name"] == "ensemble of 3: tiny"
    assert found.about["seed"] == [0, 1, 2]
    assert found.about["fold"] == 0
    assert found.about["images_seen"] == 300


def test_the_order_of_a_member_does_not_matter():
    runs = members()
    shuffled = [
        runs[0],
        *(changed(run.__class__(run.frame.sample(frac=1, random_state=1), *rest(run))) for run in runs[1:]),
    ]
    assert average(shuffled, NAMES).frame.equals(average(runs, NAMES).frame)


def rest(run):
    return run.classes, run.positive_class, run.about


def test_members_with_passes_give_their_probabilities_without_dropout():
    runs = members()
    sampled = [with_passes(runs[0]), *runs[1:]]
    assert average(sampled, NAMES).frame.equals(average(runs, NAMES).frame)


def test_ensembles_of_several_folds_are_pooled():
    pooled = pool([average(members(fold=fold), NAMES) for fold in range(2)])
    assert len(pooled.frame) == 120
    assert pooled.about["fold"] == [0, 1]
    assert pooled.sampled


def lacking(run):
    return Predictions(run.frame.iloc[1:], *rest(run))


def relabelled(run):
    return changed(run, label=["all", *run.frame["label"][1:]])


def moved(run):
    return changed(run, part=["test", *run.frame["part"][1:]])


def synthetic(run):
    return Predictions(run.frame, run.classes, run.positive_class, {**run.about, "synthetic": True})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lacking, "1 images of a are not in b, image_100000 first"),
        (relabelled, "the label of 1 images differs, image_100000 first: hem in a, all in b"),
        (moved, "the part of 1 images differs, image_100000 first: validation in a, test in b"),
        (synthetic, "one of a and b is synthetic"),
    ],
)
def test_other_images_are_refused_by_what_differs(change, message):
    first, second = members(2)
    with pytest.raises(UserError, match=message):
        average([first, change(second)], ["a", "b"])


def test_surplus_images_of_a_later_member_are_named():
    first, second = members(2)
    with pytest.raises(UserError, match="1 images of b are not in a"):
        average([lacking(first), second], ["a", "b"])


def test_other_classes_are_refused():
    with pytest.raises(UserError, match="a tells hem, all apart"):
        average([make_run(), make_run(classes=("x", "y"))], ["a", "b"])


def test_one_member_or_the_same_twice_is_refused():
    with pytest.raises(UserError, match="at least two"):
        average(members(1), ["a"])
    with pytest.raises(UserError, match="a is named twice"):
        average(members(2), ["a", "a"])
