"""How the scores of images of drawn persons are counted."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from reproduction.persons import results


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Images of eight patients and four healthy persons."""
    random = np.random.default_rng(0)
    persons = [(f"p{number}", "all") for number in range(8)] + [(f"h{number}", "hem") for number in range(4)]
    rows = [(f"{name}_{image}", label, name) for name, label in persons for image in range(random.integers(8, 20))]
    return pd.DataFrame(rows, columns=["image_id", "label", "subject"])


@pytest.fixture(scope="module")
def positive(frame: pd.DataFrame) -> np.ndarray:
    return (frame["label"] == "all").to_numpy()


def folds_of(frame: pd.DataFrame) -> np.ndarray:
    """Four folds with equal shares of both classes."""
    return frame["subject"].str[1:].astype(int).to_numpy() % 4


def test_pairs_of_persons_give_the_area_under_the_curve(frame, positive):
    images = results.Images(frame)
    scores = np.round(positive + np.random.default_rng(0).normal(0, 1, len(frame)), 1)
    assert results.auc(images.pairs(scores)) == pytest.approx(roc_auc_score(positive, scores))
    folds = folds_of(frame)
    of_folds = [roc_auc_score(positive[folds == fold], scores[folds == fold]) for fold in range(4)]
    shares = [np.prod([(positive[folds == fold] == label).sum() for label in (True, False)]) for fold in range(4)]
    assert results.auc(images.pairs(scores, folds)) == pytest.approx(np.average(of_folds, weights=shares))


def test_the_kept_curve_has_as_many_persons_as_trained():
    kept = pd.read_csv(results.RESULTS / "recomputed" / "persons_curve.csv")
    persons = pd.read_parquet(results.FOLDER / "images.parquet")["subject"].nunique()
    numbers = [*results.PERSONS, persons - 1]
    assert kept.groupby("model")["persons"].apply(list).tolist() == [numbers] * kept["model"].nunique()


def test_an_arm_with_better_scores_has_the_higher_figure(frame, positive):
    random, images, scores = np.random.default_rng(0), frame.copy(), {}
    for draw in range(results.DRAWS):
        images[f"fold {draw}"] = folds_of(frame)
        for seed in range(results.SEEDS):
            for gain, arm in enumerate(results.ARMS):
                scores[f"{arm} {draw} {seed}"] = gain * positive + random.normal(0, 1, len(frame))
    row = results.row_of_leak(results.Images(images), pd.DataFrame(scores), pd.DataFrame(scores))
    assert row["apart"] < row["shared"] < row["copies"]
    assert row["over_area"] == 0
    assert row["persons_add_low"] < row["persons_add"] < row["persons_add_high"]
