"""Probabilities joined with the facts of their images."""

import numpy as np
import pandas as pd
import pytest

from karyocyte.runs.predicted import Predicted, to_predictions
from karyocyte.runs.predictions import FACTS
from karyocyte.runs.uncertainty import summarise

CLASSES = ("hem", "all")


def joined_with(rows, passes=None):
    """Predictions of some of three images, each with its row in all facts."""
    images = pd.DataFrame({name: [f"{name}{row}" for row in range(3)] for name in FACTS})
    images["label"] = ["hem", "all", "hem"]
    parts = pd.Series(["train", "validation", "test"])
    numbers = np.array(rows, float)
    probabilities = np.column_stack([1 - numbers / 4, numbers / 4])
    predicted = Predicted(np.array(rows), probabilities, passes, upside_down=numbers, out_of_distribution=numbers)
    return to_predictions(predicted, images, parts, CLASSES, "all", {}).frame


def test_images_in_any_order_keep_their_own_facts_parts_and_probabilities():
    frame = joined_with([2, 0, 1])
    assert frame["image_id"].tolist() == ["image_id2", "image_id0", "image_id1"]
    assert frame["label"].tolist() == ["hem", "hem", "all"]
    assert frame["part"].tolist() == ["test", "train", "validation"]
    for column, expected in (
        ("prob_all", [0.5, 0, 0.25]),
        ("upside_down", [2, 0, 1]),
        ("out_of_distribution", [2, 0, 1]),
    ):
        assert frame[column].tolist() == pytest.approx(expected)
    assert "sampled_label" not in frame


def test_what_the_passes_say_together_is_beside_each_image():
    passes = np.random.default_rng(0).dirichlet([1, 1], size=(7, 3)).astype(np.float32)
    frame = joined_with([2, 0, 1], passes)
    pd.testing.assert_frame_equal(frame.filter(like="sampled_"), summarise(passes, CLASSES))


def test_an_image_that_was_predicted_twice_is_refused():
    with pytest.raises(ValueError, match="predicted twice"):
        joined_with([1, 1])
