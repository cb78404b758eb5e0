"""Which runs are the members of an ensemble, and the images that weights are fitted on."""

from dataclasses import replace

import numpy as np
import pytest

from karyocyte.common.errors import UserError
from karyocyte.evaluation.pooling.averaging import align
from karyocyte.workflows.ensembles.members import EnsembleMembers, group_members
from tests.helpers.predictions import make_predictions, make_run


def runs_of(*facts):
    return [make_run(fact.get("fold", 0), images=8, subjects=4, about=fact) for fact in facts]


ALIKE = [make_predictions(8, 4, part="test", about={"name": name, "fold": fold}) for name in "ab" for fold in range(2)]


@pytest.mark.parametrize(
    ("runs", "ensembles"),
    [
        (
            runs_of({"name": "a", "seed": 0}, {"name": "a", "seed": 1}, {"name": "b"}),
            [(None, {"a, seed 0": "0", "a, seed 1": "1", "b": "2"})],
        ),
        (
            runs_of({"name": "a", "fold": 1}, {"name": "a"}, {"name": "b"}, {"name": "b", "fold": 1}),
            [(0, {"a": "1", "b": "2"}), (1, {"a": "0", "b": "3"})],
        ),
        (ALIKE, [(None, {"a, fold 0": "0", "a, fold 1": "1", "b, fold 0": "2", "b, fold 1": "3"})]),
        (runs_of({}, {"fold": 1}), [(None, {"tiny, fold 0": "0", "tiny, fold 1": "1"})]),
        (runs_of({"name": "a"}, {"name": "b", "fold": 1}), [(None, {"a": "0", "b": "1"})]),  # of other test images
    ],
    ids=["seeds and experiments", "one per fold", "folds that test the same images", "folds of one", "a fold of each"],
)
def test_members_of_ensembles(runs, ensembles):
    groups = group_members(runs, [str(place) for place in range(len(runs))])
    assert [(group.fold, dict(zip(group.labels, group.names, strict=True))) for group in groups] == ensembles
    for group in groups:
        for name, run in zip(group.names, group.members, strict=True):
            assert run is runs[int(name)]


def aligned(**keywords):
    return align([make_run(seed=seed, skill=1.0, **keywords) for seed in range(3)], list("abc"))


def problem_of(members):
    names = tuple(map(str, range(len(members))))
    return EnsembleMembers(None, names, names, tuple(members)).problem


def relabelled(label):
    return [replace(run, frame=run.frame.assign(label=label(run.frame))) for run in aligned()]


def test_the_problem_holds_labelled_validation_images_only():
    partly = relabelled(lambda frame: frame["label"].where(frame.index % 3 == 0))
    problem = problem_of(partly)
    whole = problem_of(aligned())
    assert problem.probabilities.shape == (3, 20, 2)
    assert (problem.probabilities == whole.probabilities[:, ::3]).all()
    assert (problem.labels == whole.labels[::3]).all()
    assert whole.probabilities == pytest.approx(np.stack([run.part("validation").probabilities for run in aligned()]))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (relabelled(lambda frame: "hem"), "all 60 validation images are hem"),
        (relabelled(lambda frame: None), "no labelled validation image"),
        ([make_predictions(part="test", seed=seed) for seed in range(2)], "no labelled validation image"),
    ],
)
def test_a_problem_without_two_classes_is_an_error(members, message):
    with pytest.raises(UserError, match=message):
        problem_of(members)
