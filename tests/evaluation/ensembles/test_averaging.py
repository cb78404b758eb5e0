"""Several models as one."""

import numpy as np
import pytest

from common.errors import UserError
from common.predictions import Predictions, uncertainty_of
from evaluation.core.headings import heading
from evaluation.ensembles.averaging import align, average, combine, stacked
from evaluation.intervals.pooling import pool
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
        (lacking, "1 images of a .* image_100000"),
        (relabelled, "label .* image_100000 first: hem in a, all in b"),
        (moved, "part .* image_100000 first: validation in a, test in b"),
        (synthetic, "a and b .*synthetic"),
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
    with pytest.raises(UserError, match=r"hem, all .*x, y"):
        average([make_run(), make_run(classes=("x", "y"))], ["a", "b"])


def test_one_member_or_the_same_twice_is_refused():
    with pytest.raises(UserError, match="at least two"):
        average(members(1), ["a"])
    with pytest.raises(UserError, match="a is named twice"):
        average(members(2), ["a", "a"])


def test_weights_change_probabilities_and_leave_the_votes():
    runs = align(members(), NAMES)
    weighted = np.tensordot([0.7, 0.3, 0.0], stacked(runs), axes=1)
    found, mean = combine(runs, weighted, "greedy"), average(members(), NAMES)
    assert found.probabilities == pytest.approx(weighted)
    assert found.frame["uncertainty"].to_numpy() == pytest.approx(uncertainty_of(weighted))
    assert found.frame.filter(like="sampled_").equals(mean.frame.filter(like="sampled_"))
    assert found.about["name"] == "greedy ensemble of 3: tiny"
    assert (found.about["method"], mean.about["method"]) == ("greedy", "average")
    assert combine(runs, weighted, "greedy", "ours").about["name"] == "ours"


def without_validation(run, *places):
    validation = run.frame.index[run.frame["part"] == "validation"]
    return Predictions(run.frame.drop(validation[list(places)]), *rest(run))


def test_common_validation_images_are_kept_where_that_is_asked_for():
    first, second = members(2)
    runs = [without_validation(first, 0), without_validation(second, 1, 2)]
    with pytest.raises(UserError, match="2 images of a are not in b.*--common keeps the validation images"):
        align(runs, ["a", "b"])
    aligned = align(runs, ["a", "b"], common=True)
    for run in aligned:
        assert len(run.part("validation").frame) == 57
        assert run.part("test").frame.equals(first.part("test").frame) == (run is aligned[0])
    assert (aligned[0].frame["image_id"] == aligned[1].frame["image_id"]).all()


def test_of_folds_without_a_common_validation_image_the_test_rows_are_left():
    runs = [
        Predictions(run.frame[run.frame["part"] == "test"], *rest(run)) if place else run
        for place, run in enumerate(members(2))
    ]
    found = combine(aligned := align(runs, ["a", "b"], common=True), stacked(aligned).mean(axis=0))
    assert (found.frame["part"] == "test").all()
    assert len(found.frame) == 60


def test_other_test_images_are_never_left_out():
    first, second = members(2)
    shorter = Predictions(second.frame.iloc[:-1], *rest(second))
    with pytest.raises(UserError, match="1 images of a are not in b") as raised:
        align([first, shorter], ["a", "b"], common=True)
    assert "--common" not in str(raised.value)


def test_what_one_members_file_lacks_another_may_know():
    first, second = members(2)
    one, two = changed(first, kind=None), changed(second, kind="blast")
    assert (average([one, two], ["a", "b"]).frame["kind"] == "blast").all()
    assert (average([two, one], ["a", "b"]).frame["kind"] == "blast").all()


def test_all_members_are_in_the_name_and_a_title_cuts_it_short():
    runs = [make_run(about={"name": f"net{place}"}) for place in range(4)]
    names = [run.about["name"] for run in runs]
    about = average(runs, names).about
    assert about["name"] == "ensemble of 4: net0, net1, net2, net3"
    assert heading(about).startswith("ensemble of 4: net0 and 3 more · cnmc")
    assert heading(average(runs[:2], names[:2]).about).startswith("ensemble of 2: net0, net1 · ")
