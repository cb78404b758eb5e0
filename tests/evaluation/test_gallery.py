"""The gallery shows the right images in the right rows."""

import numpy as np
from PIL import Image

from evaluation import gallery
from evaluation.gallery import examples
from tests.helpers.predictions import make_predictions


def test_rows_hold_sure_wrong_and_doubtful_images(tmp_path, monkeypatch):
    predictions = make_predictions(images=60, seed=1).part("test")
    images = np.zeros((len(predictions.frame), 8, 8, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(images))  # the first pixel says which image it is
    drawn = []
    monkeypatch.setattr(
        gallery, "_draw", lambda axis, p, image, row, called: drawn.append((image[0, 0, 0], row, called))
    )
    shuffled = np.random.default_rng(3).permutation(len(images))
    examples(tmp_path / "examples.png", predictions, images[np.argsort(shuffled)], shuffled)
    assert all(pixel == row for pixel, row, _ in drawn)
    uncertainty, labels = predictions.frame["uncertainty"].to_numpy(), predictions.labels
    right = [row for _, row, called in drawn if called == labels[row]]
    wrong = [row for _, row, called in drawn if called != labels[row]]
    assert right
    assert wrong
    certain = np.flatnonzero(predictions.probabilities.argmax(1) == labels)
    assert drawn[0][1] == certain[uncertainty[certain].argmin()]
    assert int(uncertainty.argmax()) in {row for _, row, _ in drawn}


def test_the_picture_is_there_and_not_blank(tmp_path):
    predictions = make_predictions(images=40, seed=2).part("test")
    images = np.random.default_rng(0).integers(0, 256, (len(predictions.frame), 16, 16, 3), dtype=np.uint8)
    examples(tmp_path / "examples.png", predictions, images, np.arange(len(images)))
    picture = np.asarray(Image.open(tmp_path / "examples.png").convert("L"))
    assert picture.shape[1] > 1000
    assert picture.std() > 10
