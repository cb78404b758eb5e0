"""Errors of several models on the same images, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from karyocyte.evaluation.comparison.common_errors import (
    align_groups,
    lone_models,
    missed_by_class,
    missed_counts,
    misses,
    predictions_by_model,
)
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.intervals.grouping import group_runs
from tests.helpers.predictions import with_scores

# Six images, three of each class; below, the probability of the positive one by three models.
LABELS = [True, True, True, False, False, False]
SCORES = {
    "one": [0.9, 0.1, 0.2, 0.1, 0.9, 0.1],  # misses 1, 2, 4
    "two": [0.9, 0.9, 0.3, 0.1, 0.8, 0.9],  # misses 2, 4, 5
    "three": [0.9, 0.8, 0.4, 0.2, 0.3, 0.1],  # misses 2
}


def groups_of(scores=SCORES, labels=LABELS, order=None):
    """A group for each model; ``order`` shuffles the rows of all but the first."""
    runs = []
    for place, (name, values) in enumerate(scores.items()):
        run = with_scores(labels, values, subjects=["a", "a", "b", "c", "c", "c"][: len(labels)])
        frame = run.frame if order is None or place == 0 else run.frame.iloc[order].reset_index(drop=True)
        runs.append(replace(run, frame=frame, about={**run.about, "name": name}))
    return group_runs(runs, list(scores))


def aligned(*arguments, **keywords):
    return align_groups(groups_of(*arguments, **keywords))


@pytest.mark.parametrize("order", [None, [5, 3, 1, 0, 2, 4]])
def test_images_are_counted_by_the_models_that_miss_them(order):
    table = misses(aligned(order=order))
    assert table["image_id"][0] == "image_00002"  # the one that all miss
    table = table.set_index("image_id").sort_index()
    assert table["missed_by"].tolist() == [0, 1, 3, 0, 2, 1]
    assert table["right"].tolist()[1:5] == [["two", "three"], [], ["one", "two", "three"], ["three"]]
    assert table.loc["image_00004", ["label", "subject"]].tolist() == ["hem", "c"]
    counts = missed_counts(aligned(order=order))
    assert counts["images"].tolist() == [2, 2, 1, 1]
    exact = share(1, 6, 0.95)
    assert counts.loc[3, ["share", "low", "high"]].tolist() == pytest.approx([1 / 6, exact.low, exact.high])


def test_counts_by_true_class_add_up():
    table = missed_by_class(aligned()).pivot(index="k", columns="true_class", values="images")
    assert table["hem"].tolist() == [1, 1, 1, 0]
    assert table["all"].tolist() == [1, 1, 0, 1]


def test_the_expected_counts_of_independent_errors():
    # Error rates 1/2, 1/2 and 1/6.
    expected = np.array([5, 11, 7, 1]) / 24
    assert missed_counts(aligned())["independent"].to_numpy() == pytest.approx(6 * expected)


def test_each_model_alone():
    table = lone_models(aligned()).set_index("model")
    assert table["right"].to_dict() == {"one": 3, "two": 3, "three": 5}
    assert table.loc["three", ["right_alone", "wrong_alone"]].tolist() == [1, 0]
    assert table.loc["one", ["right_alone", "wrong_alone"]].tolist() == [0, 1]


def test_predictions_by_model_are_in_the_order_of_the_images():
    table = predictions_by_model(aligned(order=[5, 3, 1, 0, 2, 4]))
    assert table["called/two"].tolist() == ["all", "all", "hem", "hem", "all", "all"]
    assert table["prob_true/two"].tolist() == pytest.approx([0.9, 0.9, 0.3, 0.9, 0.2, 0.1])
