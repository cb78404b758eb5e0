"""The gallery shows the right images in the right rows."""

import numpy as np
from PIL import Image

from evaluation.error_analysis import examples as gallery
from evaluation.error_analysis.examples import examples, galleries, wrong_examples
from evaluation.error_analysis.misclassified import wrong_cases
from tests.helpers.predictions import make_predictions, with_passes


def test_rows_hold_sure_wrong_and_doubtful_images(tmp_path, monkeypatch):
    predictions = make_predictions(images=60, seed=1).part("test")
    images = np.zeros((len(predictions.frame), 8, 8, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(images))  # the first pixel says which image it is
    drawn = []
    monkeypatch.setattr(
        gallery, "_draw_example", lambda axis, p, image, row, called: drawn.append((image[0, 0, 0], row, called))
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


def test_wrong_calls_are_drawn_with_both_scores_the_surest_first(tmp_path, monkeypatch):
    predictions = with_passes(make_predictions(images=60, seed=1, skill=0.4))
    predictions.frame["kind"] = "terminal_deletion"
    images = np.zeros((60, 8, 8, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(60)
    shown, said = [], []
    monkeypatch.setattr(gallery.Axes, "imshow", lambda axis, image: shown.append(image[0, 0, 0]))
    monkeypatch.setattr(gallery.Axes, "text", lambda axis, x, y, text, **style: said.append(text))
    shuffled = np.random.default_rng(3).permutation(60)
    wrong_examples(tmp_path / "wrong.png", predictions, images[np.argsort(shuffled)], shuffled)
    table = wrong_cases(predictions).head(12)
    assert shown == table["row"].tolist()
    first = table.iloc[0]
    assert said[0] == f"{first['predicted']} {first['mean_probability']:.2f}, {first['vote_share']:.0%} of votes"
    assert said[1] == f"is {first['actual']} (terminal deletion)"
    assert said[2] == first["image_id"]


def test_both_galleries_are_drawn_and_without_a_mistake_one(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    galleries(tmp_path / "some", make_predictions(images=60, seed=2), images, np.arange(60))
    galleries(tmp_path / "none", make_predictions(images=60, skill=50.0), images, np.arange(60))
    assert {path.name for path in (tmp_path / "some").iterdir()} == {"examples.png", "wrong.png"}
    assert {path.name for path in (tmp_path / "none").iterdir()} == {"examples.png"}
