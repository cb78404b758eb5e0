"""Regressions on images of drawn persons: what they train on, and how their scores are counted."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from reproduction.persons import copies, copies_results, experiments, results
from reproduction.persons.experiments import Images


@pytest.fixture(scope="module")
def images() -> Images:
    """Eight patients and four healthy persons, whose numbers tell the person alone."""
    random = np.random.default_rng(0)
    persons = [(f"p{number}", "all") for number in range(8)] + [(f"h{number}", "hem") for number in range(4)]
    rows = [(f"{name}_{image}", label, name) for name, label in persons for image in range(random.integers(8, 20))]
    frame = pd.DataFrame(rows, columns=["image_id", "label", "subject"])
    of_person = {name: random.normal(0, 1, 30) for name, _ in persons}
    values = np.stack(frame["subject"].map(of_person)) + random.normal(0, 0.3, (len(frame), 30))
    return Images(frame, values)


def test_the_arms_of_a_leak_train_on_equal_numbers_of_images_and_persons(images):
    folds = experiments.folds_of(images, 0)
    assert folds.groupby([images.persons, folds]).size().tolist() == [2, 2, 2, 2, 1, 1, 1, 1]
    test, training = experiments.divide(images, folds, 0, np.random.default_rng(0))
    (common, *_), replaced = zip(*(np.split(rows, [-len(test)]) for rows in training.values()), strict=True)
    apart, shared, copies, tested = (images.frame.iloc[rows] for rows in (*replaced, test))
    assert copies.equals(tested)
    assert set(shared["subject"]) == set(tested["subject"])
    assert not set(shared["image_id"]) & set(tested["image_id"])
    assert not set(apart["subject"]) & set(tested["subject"])
    assert not set(images.frame["subject"].iloc[common]) & {*apart["subject"], *tested["subject"]}
    for label in ("all", "hem"):
        assert len({(each["label"] == label).sum() for each in (apart, shared, tested)}) == 1


def test_a_person_is_scored_by_the_others(images):
    scores = experiments.leave_one_out(images)
    without = images.of(np.array(["p0"]))
    assert np.allclose(scores[without], images.scores(~without, without)[without])
    drawn = experiments.drawn_persons(images, 5, 0)
    assert images.frame["subject"][np.isnan(drawn)].nunique() == 5


def test_pairs_of_persons_give_the_area_under_the_curve(images):
    counted = results.Images(images.frame)
    scores = np.round(images.values[:, 0], 1)
    assert results.auc(counted.pairs(scores)) == pytest.approx(roc_auc_score(images.positive, scores))
    folds = images.frame["subject"].map(experiments.folds_of(images, 0)).to_numpy()
    of_folds = [roc_auc_score(images.positive[folds == fold], scores[folds == fold]) for fold in range(4)]
    shares = [
        np.prod([(images.positive[folds == fold] == label).sum() for label in (True, False)]) for fold in range(4)
    ]
    assert results.auc(counted.pairs(scores, folds)) == pytest.approx(np.average(of_folds, weights=shares))


def test_persons_that_train_raise_the_figure(images):
    frame, scores = images.frame.copy(), {}
    for draw in range(experiments.DRAWS):
        frame[f"fold {draw}"] = frame["subject"].map(experiments.folds_of(images, draw))
        for seed in range(experiments.SEEDS):
            scores |= {f"{arm} {draw} {seed}": found for arm, found in experiments.leak(images, draw, seed).items()}
    row = results.row_of_leak(results.Images(frame), pd.DataFrame(scores), pd.DataFrame(scores))
    assert row["apart"] < row["shared"] <= row["copies"]
    assert row["over_area"] == 0
    assert row["persons_add_low"] < row["persons_add"] < row["persons_add_high"]


def test_a_regression_that_reads_the_coding_of_files_errs_on_copies(images):
    originals = Images(images.frame, np.column_stack([images.positive + 0.0, images.values[:, :2]]))
    coded = Images(images.frame, originals.values + [1, 0, 0])  # copies look like the positive class
    scores = images.frame.join(copies.scores_of(originals, coded))
    of_originals, of_both = (copies_results.row_of_copies(scores, trained) for trained in ("originals", "both"))
    assert of_originals["specificity_copies"] < 0.5 < of_originals["specificity_originals"]
    assert of_originals["sensitivity_originals"] <= of_originals["sensitivity_copies"] == 1
    assert of_originals["change_hem"] > of_both["change_hem"] > 0


def test_copies_belong_to_the_originals_of_their_names():
    table = pd.DataFrame({"image_id": ["UID_H3_1", "UID_2_1"], "feature_0": [1.0, 2.0]})
    copied = pd.DataFrame({"image_id": ["UID_2_1", "UID_h3_1", "UID_9_1"], "feature_0": [20.0, 10.0, 90.0]})
    assert [each.values.tolist() for each in copies.same_images(table, copied)] == [[[1], [2]], [[10], [20]]]
