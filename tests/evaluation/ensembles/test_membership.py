"""Who are the members of which ensemble."""

import pytest

from common.errors import UserError
from evaluation.ensembles.membership import group_members
from tests.helpers.predictions import make_predictions, make_run


def runs_of(*facts):
    return [make_run(fact.get("fold", 0), images=8, subjects=4, about=fact) for fact in facts]


def labelled_names(runs):
    names = [f"run {place}" for place in range(len(runs))]
    return [(one.fold, dict(zip(one.labels, one.names, strict=True))) for one in group_members(runs, names)]


def test_seeds_and_experiments_of_one_fold_are_members():
    runs = runs_of({"name": "a", "seed": 0}, {"name": "a", "seed": 1}, {"name": "b"})
    assert labelled_names(runs) == [(None, {"a, seed 0": "run 0", "a, seed 1": "run 1", "b": "run 2"})]


def test_whole_experiments_have_an_ensemble_per_fold_with_members_in_one_order():
    runs = runs_of(*({"name": name, "fold": fold} for name, folds in (("a", (1, 0)), ("b", (0, 1))) for fold in folds))
    assert labelled_names(runs) == [(0, {"a": "run 1", "b": "run 2"}), (1, {"a": "run 0", "b": "run 3"})]
    assert [run.about["fold"] for run in group_members(runs, list("wxyz"))[1].members] == [1, 1]


def test_experiments_with_other_folds_are_refused():
    runs = runs_of({"name": "a"}, {"name": "a", "fold": 1}, {"name": "b"})
    with pytest.raises(UserError, match="a has the folds 0, 1, b 0: name the same folds of each"):
        group_members(runs, list("xyz"))


def test_folds_that_test_the_same_images_are_members_of_one_ensemble():
    runs = [
        make_predictions(8, 4, part="test", about={"name": name, "fold": fold}) for name in "ab" for fold in range(2)
    ]
    assert labelled_names(runs) == [
        (None, {"a, fold 0": "run 0", "a, fold 1": "run 1", "b, fold 0": "run 2", "b, fold 1": "run 3"})
    ]


def test_folds_of_one_experiment_alone_are_left_to_the_check_of_their_images():
    assert labelled_names(runs_of({}, {"fold": 1})) == [(None, {"tiny, fold 0": "run 0", "tiny, fold 1": "run 1"})]


def test_one_run_or_the_same_twice_is_refused():
    with pytest.raises(UserError, match="at least two"):
        group_members(runs_of({}), ["x"])
    with pytest.raises(UserError, match="x is named twice"):
        group_members(runs_of({}, {}), ["x", "x"])
