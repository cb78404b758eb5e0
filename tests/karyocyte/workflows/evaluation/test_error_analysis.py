"""Errors of several models on the same images, counted by hand, and their pictures."""

from dataclasses import replace

import numpy as np
import pytest

from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.intervals.grouping import group_runs
from karyocyte.evaluation.pages.thumbnails import encode
from karyocyte.workflows.evaluation.error_analysis import (
    ALL,
    LIMIT,
    missed_bars,
    missed_counts,
    missed_images,
    missed_sheet,
)
from tests.helpers.predictions import ABOUT, with_scores

# Six images, three of each class; below, the probability of the positive one by three models.
LABELS = [True, True, True, False, False, False]
SCORES = {
    "one": [0.9, 0.1, 0.2, 0.1, 0.9, 0.1],  # misses 1, 2, 4
    "two": [0.9, 0.9, 0.3, 0.1, 0.8, 0.9],  # misses 2, 4, 5
    "three": [0.9, 0.8, 0.4, 0.2, 0.3, 0.1],  # misses 2
}


def listed(order=None):
    """The images of three models; ``order`` shuffles the rows of all but the first."""
    runs = []
    for place, (name, values) in enumerate(SCORES.items()):
        run = with_scores(LABELS, values, subjects=["a", "a", "b", "c", "c", "c"])
        frame = run.frame if order is None or place == 0 else run.frame.iloc[order].reset_index(drop=True)
        runs.append(replace(run, frame=frame, about={**run.about, "name": name}))
    return missed_images(group_runs(runs, list(SCORES)))


@pytest.mark.parametrize("order", [None, [5, 3, 1, 0, 2, 4]])
def test_images_are_counted_by_the_models_that_miss_them(order):
    table = listed(order)
    assert table["image_id"][0] == "image_00002"  # the one that all miss
    table = table.set_index("image_id").sort_index()
    assert table["missed_by"].tolist() == [0, 1, 3, 0, 2, 1]
    assert table["right"].tolist()[1:5] == ["two; three", "", "one; two; three", "three"]
    assert table.loc["image_00004", ["label", "subject"]].tolist() == ["hem", "c"]
    assert table["called/two"].tolist() == ["all", "all", "hem", "hem", "all", "all"]
    assert table["prob_true/two"].tolist() == pytest.approx([0.9, 0.9, 0.3, 0.9, 0.2, 0.1])


def test_counts_of_each_class_and_those_of_independent_errors():
    counts = missed_counts(listed(), list(SCORES)).set_index(["true_class", "k"])
    images = counts["images"].unstack()
    assert images.loc[[ALL, "hem", "all"]].to_numpy().tolist() == [[2, 2, 1, 1], [1, 1, 1, 0], [1, 1, 0, 1]]
    exact = share(1, 6, 0.95)
    assert counts.loc[(ALL, 3), ["share", "low", "high"]].tolist() == pytest.approx([1 / 6, exact.low, exact.high])
    # Error rates 1/2, 1/2 and 1/6.
    assert counts.loc[ALL, "independent"].to_numpy() == pytest.approx(np.array([5, 11, 7, 1]) / 4)


def test_bars_are_as_high_as_the_images_that_they_count(tmp_path, saved_figures):
    counts = missed_counts(listed(), list(SCORES))[:4]
    missed_bars(tmp_path / "missed.png", counts, ABOUT)
    observed, chance = saved_figures[0].axes[0].containers
    assert [bar.get_height() for bar in observed] == counts["images"].tolist()
    assert [bar.get_height() for bar in chance] == counts["independent"].tolist()


def test_a_full_sheet_has_full_rows(tmp_path):
    runs = [replace(with_scores([True] * 50, [0.1] * 50), about={**ABOUT, "name": name}) for name in "ab"]
    most = missed_images(group_runs(runs, ["a", "b"]))
    green = encode(np.full((8, 8, 3), (0, 200, 0), dtype=np.uint8), 160)
    pictures = dict.fromkeys(most["image_id"], green)
    assert missed_sheet(tmp_path / "sheet.png", most, ["a", "b"], pictures, ABOUT) == LIMIT
