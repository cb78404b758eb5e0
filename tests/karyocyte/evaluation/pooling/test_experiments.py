from karyocyte.evaluation.pooling.experiments import group_runs
from tests.helpers.predictions import ABOUT, make_predictions


def run(**about):
    return make_predictions(images=4, subjects=2, about={**ABOUT, **about})


def grouped(*runs):
    actual = group_runs(list(runs), [f"run {place}" for place in range(len(runs))])
    return {group.label: list(group.names) for group in actual}


def test_folds_of_one_experiment_belong_together_in_their_order():
    actual = grouped(run(fold=2), run(name="other"), run(fold=0), run(fold=1))
    assert actual == {"tiny": ["run 2", "run 3", "run 0"], "other": ["run 1"]}


def test_seeds_and_protocols_are_groups_of_their_own_and_their_labels_say_so():
    actual = grouped(run(seed=0), run(seed=1), run(seed=0, fold=1), run(seed=1, fold=1))
    assert actual == {"tiny, seed 0": ["run 0", "run 2"], "tiny, seed 1": ["run 1", "run 3"]}
    assert list(grouped(run(), run(protocol="paper"))) == ["tiny, protocol subject", "tiny, protocol paper"]


def test_labels_differ_whatever_the_runs_have_in_common():
    assert len(set(grouped(run(), run(), run(config="other")))) == 3


def test_on_another_set_each_fold_is_evaluated_alone():
    on = "clinic (folder, 60 images)"
    actual = grouped(run(fold=0), run(fold=1), run(fold=0, on=on), run(fold=1, on=on))
    assert list(actual.values()) == [["run 0", "run 1"], ["run 2"], ["run 3"]]
    assert list(actual)[1:] == [f"tiny, on {on}, fold 0", f"tiny, on {on}, fold 1"]
