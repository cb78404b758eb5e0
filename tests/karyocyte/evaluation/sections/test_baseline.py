"""The baseline knows what its numbers tell, and says so where a network is not better."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.pooling.averaging import average
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.sections.baseline import NumberedImages, add_baselines
from karyocyte.evaluation.tables.tables import captions
from karyocyte.evaluation.types.result import GAIN, Kind
from karyocyte.runs.predictions import Predictions

SETTINGS = EvaluationConfig(resamples=50)


def make(classes=("hem", "all"), images=240, by="area", seed=0, networks_skill=0.0):
    """Make images whose class shows in one number, and predictions of a network of some skill."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(classes), images)
    numbers = pd.DataFrame(rng.normal(size=(images, 3)), columns=["area", "mean_red", "bytes"])
    numbers[by] += 2.0 * labels
    numbers["bytes"] = 1000.0  # always the same
    parts = np.array(["train", "train", "validation", "test"])[np.arange(images) % 4]
    rows = np.flatnonzero(parts != "train")
    guess = rng.dirichlet(np.ones(len(classes)), len(rows))
    sure = np.eye(len(classes))[labels[rows]]
    frame = pd.DataFrame({"image_id": [f"i{row}" for row in rows], "path": "p", "part": parts[rows]})
    frame["label"] = np.array(classes)[labels[rows]]
    frame = frame.assign(subject=None, cell=None, kind=None, group=None, width=8, height=8, uncertainty=0.5)
    for index, name in enumerate(classes):
        frame[f"prob_{name}"] = (1 - networks_skill) * guess[:, index] + networks_skill * sure[:, index]
    predictions = Predictions(frame, classes, classes[1] if len(classes) == 2 else None, {"name": "made"})
    return predictions, rows, NumberedImages(numbers, labels, parts)


def evaluated(predictions, rows, images):
    return evaluate_runs([add_baselines(predictions, rows, images)], SETTINGS)


def baselines(*images):
    return evaluated(*images).sections(Kind.BASELINE)


def test_the_area_alone_tells_a_class_that_shows_in_it_and_no_other():
    shown = baselines(*make(by="area"))
    assert shown["area alone"]["auc"].value > 0.85
    assert shown["area alone"]["auc"].low > 0.7
    hidden = baselines(*make(by="mean_red"))
    assert hidden["area alone"]["auc"].value < 0.7
    assert hidden["brightness and size"]["auc"].value > 0.85


def test_the_auc_of_the_area_is_that_of_scikit_learn():
    predictions, rows, images = make()
    found = baselines(predictions, rows, images)
    train = images.parts == "train"
    area = images.numbers[["area"]].to_numpy()
    model = LogisticRegression().fit(area[train], images.labels[train])
    test = images.parts == "test"
    known = roc_auc_score(images.labels[test], model.predict_proba(area[test])[:, 1])
    assert found["area alone"]["auc"].value == pytest.approx(known)
    network = evaluated(predictions, rows, images).metrics["auc"].value
    assert found["area alone"][GAIN].value == pytest.approx(network - known)
    by_area = add_baselines(predictions, rows, images).frame
    same = {f"prob_{label}": by_area[f"baseline_area_{label}"] for label in ("hem", "all")}
    gain = baselines(replace(predictions, frame=predictions.frame.assign(**same)), rows, images)["area alone"][GAIN]
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


def test_more_than_two_classes_and_validation_without_labels():
    predictions, rows, images = make(classes=("a", "b", "c"), images=360)
    assert baselines(predictions, rows, images)["area alone"]["accuracy"].value > 0.6
    images.labels[images.parts == "validation"] = -1
    assert baselines(predictions, rows, images)["area alone"]["accuracy"].value > 0.6


def test_a_class_of_one_training_image_among_many_has_a_probability(monkeypatch):
    monkeypatch.setattr("karyocyte.evaluation.sections.baseline.MOST_IMAGES", 2)
    predictions, rows, images = make(classes=("a", "b", "c"))
    of_class = np.flatnonzero((images.parts == "train") & (images.labels == 2))
    images.labels[np.delete(of_class, len(of_class) // 2)] = 0
    frame = add_baselines(predictions, rows, images).frame
    assert (frame["baseline_all_c"] > 0).all()


def test_an_ensemble_has_the_baseline_of_its_images_and_predictions_without_numbers_have_none():
    predictions, rows, images = make()
    assert evaluate_runs([predictions], SETTINGS).sections(Kind.BASELINE) == {}
    member = add_baselines(predictions, rows, images)
    both = average([member, replace(member, frame=member.frame.assign(uncertainty=0.4))], ["one", "other"])
    of_both, of_member = (evaluate_runs([each], SETTINGS) for each in (both, member))
    assert of_both.sections(Kind.BASELINE) == of_member.sections(Kind.BASELINE)
    assert any(line.startswith("without a network, by area alone: AUC ") for line in captions(of_both))
