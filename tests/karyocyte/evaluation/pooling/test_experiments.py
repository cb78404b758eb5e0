"""Which runs are evaluated together, and what their group is called."""

import pytest

from karyocyte.evaluation.pooling.experiments import group_runs
from tests.helpers.predictions import ABOUT, make_predictions


def run(**about):
    return make_predictions(images=4, subjects=2, about={**ABOUT, **about})


def grouped(*runs):
    actual = group_runs(list(runs), list(map(str, range(len(runs)))))
    return {group.label: list(group.names) for group in actual}


ON = {"on": "clinic (folder, 60 images)"}
OF_TINY = f"tiny, on {ON['on']}, fold"


@pytest.mark.parametrize(
    ("runs", "groups"),
    [
        ([{"fold": 2}, {"name": "other"}, {"fold": 0}, {"fold": 1}], {"tiny": "230", "other": "1"}),
        ([{"seed": n % 2, "fold": n // 2} for n in range(4)], {"tiny, seed 0": "02", "tiny, seed 1": "13"}),
        ([{}, {"protocol": "paper"}], {"tiny, protocol subject": "0", "tiny, protocol paper": "1"}),
        ([ON, {**ON, "fold": 1}, {}], {f"{OF_TINY} 0": "0", f"{OF_TINY} 1": "1", "tiny, on its own images": "2"}),
    ],
    ids=["folds belong together in their order", "seeds", "protocols", "on another set each fold is evaluated alone"],
)
def test_groups_of_runs_and_their_labels(runs, groups):
    assert grouped(*(run(**facts) for facts in runs)) == {label: list(names) for label, names in groups.items()}


def test_labels_differ_whatever_the_runs_have_in_common():
    assert len(set(grouped(run(), run(), run(config="other")))) == 3
