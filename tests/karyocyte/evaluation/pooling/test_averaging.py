"""Members of ensembles, the images that weights are fitted on, and one set of predictions from several models'."""

from dataclasses import replace

import numpy as np
import pytest

from karyocyte.common.errors import UserError
from karyocyte.evaluation.pooling.averaging import Combiner, align, average, combine, stacked_probabilities
from karyocyte.runs.predictions import uncertainty_of
from tests.helpers.predictions import make_run, with_passes

NAMES = ["a", "b", "c"]


def members(count=3, fold=0):
    """Models of the same images: same labels and parts, other probabilities."""
    return [make_run(fold, skill=1.0 + seed, about={"seed": seed}) for seed in range(count)]


def changed(run, **columns):
    return replace(run, frame=run.frame.assign(**columns))


def without(run, *rows):
    return replace(run, frame=run.frame.drop(list(rows)))


def test_images_of_equal_probabilities_stay_equal():
    probabilities = np.tile(np.random.default_rng(0).random((7, 1, 2)), (1, 1000, 1))
    combined = Combiner("average", np.full(7, 1 / 7)).combine(probabilities)
    assert len(np.unique(combined, axis=0)) == 1


def test_probabilities_are_averaged_and_votes_counted():
    runs = members()
    ensemble = average(runs, NAMES)
    mean = np.mean([run.probabilities for run in runs], axis=0)
    assert ensemble.probabilities == pytest.approx(mean)
    assert ensemble.frame["uncertainty"].to_numpy() == pytest.approx(uncertainty_of(mean))
    votes = np.sum([run.probabilities[:, 1] >= 0.5 for run in runs], axis=0)
    assert ensemble.frame["sampled_votes"].to_numpy() == pytest.approx(np.maximum(votes, 3 - votes) / 3)
    facts = {"ensemble": 3, "name": "ensemble of 3: tiny", "seed": [0, 1, 2], "fold": 0, "images_seen": 300}
    assert facts.items() <= ensemble.about.items()


@pytest.mark.parametrize(
    "change",
    [lambda run: replace(run, frame=run.frame.sample(frac=1, random_state=1)), with_passes],
    ids=["another order", "passes of its own"],
)
def test_the_order_and_the_passes_of_a_member_do_not_matter(change):
    runs = members()
    same = average([runs[0], *map(change, runs[1:])], NAMES)
    assert same.frame.equals(average(runs, NAMES).frame)


def test_the_orientation_is_averaged_where_all_members_estimate_it():
    first, second, third = members()
    runs = [changed(first, upside_down=0.25), changed(second, upside_down=0.75)]
    assert average(runs, NAMES[:2]).frame["upside_down"].to_numpy() == pytest.approx(0.5)
    assert "upside_down" not in average([*runs, third], NAMES).frame


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: without(run, 0), "1 images, image_100000 first, are in a or b alone"),
        (
            lambda run: changed(run, label=["all", *run.frame["label"][1:]]),
            "label .* image_100000 .* hem in a, all in b",
        ),
        (lambda run: changed(run, part=["test", *run.frame["part"][1:]]), "part .* image_100000 .* test in b"),
        (lambda run: replace(run, about={**run.about, "synthetic": True}), "a and b .*synthetic"),
        (lambda run: make_run(classes=("x", "y")), r"hem, all .*x, y"),
    ],
    ids=["images", "labels", "parts", "synthetic", "classes"],
)
def test_members_of_other_data_are_an_error(change, message):
    first, second = members(2)
    with pytest.raises(UserError, match=message):
        average([first, change(second)], ["a", "b"])


def test_weights_change_probabilities_and_not_the_votes():
    runs = align(members(), NAMES)
    weighted = np.tensordot([0.7, 0.3, 0.0], stacked_probabilities(runs), axes=1)
    ensemble = combine(runs, lambda _: weighted, "genetic")
    mean = average(members(), NAMES)
    assert ensemble.probabilities == pytest.approx(weighted)
    assert ensemble.frame["uncertainty"].to_numpy() == pytest.approx(uncertainty_of(weighted))
    assert ensemble.frame.filter(like="sampled_").equals(mean.frame.filter(like="sampled_"))
    assert ensemble.about["name"] == "genetic ensemble of 3: tiny"
    assert (ensemble.about["method"], mean.about["method"]) == ("genetic", "average")
    assert combine(runs, lambda _: weighted, "genetic", "ours").about["name"] == "ours"


def test_common_validation_images_are_kept_on_request():
    first, second = members(2)
    runs = [without(first, 0), without(second, 1, 2)]
    with pytest.raises(UserError, match="3 images, .* are in a or b alone.*--common keeps the validation images"):
        align(runs, ["a", "b"])
    aligned = align(runs, ["a", "b"], common=True)
    for run, original in zip(aligned, (first, second), strict=True):
        assert len(run.part("validation").frame) == 57
        assert run.part("test").frame.equals(original.part("test").frame)
    assert (aligned[0].frame["image_id"] == aligned[1].frame["image_id"]).all()
    # A fact that one member lacks is taken from another.
    runs = [changed(first, kind=None), changed(second, kind="blast")]
    for order in (runs, runs[::-1]):
        assert (average(order, ["a", "b"]).frame["kind"] == "blast").all()
