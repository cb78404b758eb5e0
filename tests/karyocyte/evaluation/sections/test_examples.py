"""Which images are shown as examples, and the sheets that show them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from karyocyte.common.errors import UserError
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.sections import examples as module
from karyocyte.evaluation.sections.examples import ranked_rows, showcase, write_examples, wrong
from karyocyte.runs.predictions import Predictions, uncertainty_of
from tests.helpers.predictions import make_predictions, with_passes, with_scores


@pytest.fixture
def strips(monkeypatch):
    """The strips of each sheet that is drawn, instead of the picture."""
    drawn = []
    monkeypatch.setattr(module, "draw_sheet", lambda path, about, strips, *layout: drawn.append(dict(strips)))
    return drawn


def numbered(count):
    """Images whose first pixel is their row, and a shuffled index into them."""
    images = np.zeros((count, 8, 8, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    shuffled = np.random.default_rng(3).permutation(count)
    return images[np.argsort(shuffled)], shuffled


def rows_of(strip):
    return [int(image[0, 0, 0]) for image, _ in strip]


def test_strips_hold_certain_and_uncertain_images(strips):
    predictions = make_predictions(images=60, seed=1)
    write_examples(Path(), predictions, *numbered(60))
    (drawn,) = strips
    for strip, which in zip(drawn.values(), ("right", "wrong", "doubtful"), strict=True):
        assert rows_of(strip) == ranked_rows(predictions, which)[:8]
    (image, caption), *_ = next(iter(drawn.values()))
    row = image[0, 0, 0]
    label = predictions.frame["label"][row]
    text = f"{label} {predictions.frame[f'prob_{label}'][row]:.2f}"
    assert caption == [(text, module.RIGHT), (f"is “{label}”", module.PLAIN)]


def test_examples_are_drawn(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    write_examples(tmp_path, make_predictions(images=60, seed=2), images, np.arange(60))
    picture = np.asarray(Image.open(tmp_path / "examples.png").convert("L"))
    assert picture.shape[1] > 1000
    assert picture.std() > 10


def two_classes(positive: list[float], labels: list[str | None]) -> Predictions:
    probabilities = np.stack([1 - np.array(positive), positive], axis=1)
    frame = pd.DataFrame({"label": labels, "prob_hem": probabilities[:, 0], "prob_all": probabilities[:, 1]})
    return Predictions(frame.assign(uncertainty=uncertainty_of(probabilities)), ("hem", "all"), "all", {})


def test_ranks():
    test = two_classes([0.9, 0.6, 0.2, 0.4, 0.5], ["all", "hem", "all", "hem", None])
    assert ranked_rows(test, "right") == [0, 3]
    assert ranked_rows(test, "wrong") == [2, 1]
    assert set(ranked_rows(test, "doubtful")[:2]) == {1, 3}


def test_the_showcase_of_few_classes_has_three_images_of_each():
    labels = ["hem", "hem", "hem", "hem", "all", "all", "all", None]
    assert showcase(two_classes([0.1, 0.02, 0.9, 0.45, 0.7, 0.99, 0.52, 0.001], labels)) == [
        (1, "surest right"),
        (2, "surest wrong"),
        (3, "most doubtful"),
        (5, "surest right"),
        (6, "most doubtful"),  # none of this class is wrong
    ]
    with pytest.raises(UserError, match="no test image has a label"):
        showcase(two_classes([0.5], [None]))


def test_the_showcase_of_many_classes_has_four_images_of_each_kind_and_of_different_classes():
    test = make_predictions(images=120, classes=tuple("abcdefgh"), skill=1.0)
    shown = showcase(test)
    assert len({row for row, _ in shown}) == len(shown) == 12
    for which in ("surest right", "surest wrong"):
        rows = [row for row, reason in shown if reason == which]
        assert len({test.labels[row] for row in rows}) == 4
        right = test.probabilities[rows].argmax(axis=1) == test.labels[rows]
        assert right.all() if which == "surest right" else not right.any()


def wrong_cases(run):
    return wrong(LabelledRuns.of([run], EvaluationConfig()), None).tables["wrong"]


def test_the_most_certain_error_comes_first():
    run = with_scores([0, 1, 1, None, 0, 1], [0.7, 0.05, 0.9, 0.9, 0.99, 0.5])
    run.frame["kind"] = [None, "trisomy 21", None, None, None, None]
    table = wrong_cases(run)
    assert table["image_id"].tolist() == ["image_00004", "image_00001", "image_00000"]
    assert table["predicted"].tolist() == ["all", "hem", "all"]
    assert table["actual"].tolist() == ["hem", "all", "hem"]
    assert table["probability"].tolist() == [0.99, 0.95, 0.7]
    assert table["kind"][1] == "trisomy 21"
    assert table["vote_share"].isna().all()


def test_with_passes_the_majority_is_the_prediction():
    run = with_passes(make_predictions(images=200, skill=0.4), noise=3.0)
    table = wrong_cases(run)
    frame = run.frame
    wrong = frame["sampled_label"] != frame["label"]
    assert set(table["image_id"]) == set(frame.loc[wrong, "image_id"])
    assert table["joint_confidence"].is_monotonic_decreasing
    rows = frame.set_index("image_id").loc[table["image_id"]]
    assert (rows["sampled_label"].to_numpy() == table["predicted"].to_numpy()).all()
    assert (rows["sampled_votes"].to_numpy() == table["vote_share"].to_numpy()).all()
    means = [row[f"sampled_prob_{row['sampled_label']}"] for _, row in rows.iterrows()]
    assert table["mean_probability"].tolist() == means
    assert wrong_cases(with_scores([0, 1], [0.1, 0.9])).empty  # no error
