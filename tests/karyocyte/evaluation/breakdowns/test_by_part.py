"""Loss and accuracy of each part."""

import numpy as np
import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from tests.helpers.predictions import join, make_predictions, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20)


def test_loss_is_the_mean_log_loss_and_accuracy_that_at_one_half():
    test = with_scores([1, 1, 0, 0], [0.9, 0.4, 0.5, 0.1])
    run = join(with_scores([1, 0], [0.8, 0.2], part="validation"), test)
    train = with_scores([1, 0, 0], [1.0, 0.0, 1.0], part="train")
    parts = evaluate_runs([run], SETTINGS, [train]).by_part
    assert list(parts) == ["train", "validation", "test"]
    assert parts["test"].images == 4
    assert parts["test"].loss == pytest.approx(-np.log([0.9, 0.4, 0.5, 0.9]).mean())
    assert parts["test"].accuracy == 0.5
    assert parts["validation"].loss == pytest.approx(-np.log(0.8))
    assert parts["validation"].accuracy == 1.0
    # A probability of 0 for the truth counts as the least one that is told from 0.
    assert parts["train"].loss == pytest.approx(-np.log(1e-12) / 3)


def test_of_several_folds_they_are_means_over_the_folds():
    runs = [make_run(fold, images=40, seed=3) for fold in range(2)]
    trained = [make_predictions(images, part="train", seed=images) for images in (30, 50)]
    alone = [evaluate_runs([run], SETTINGS, [train]).by_part for run, train in zip(runs, trained, strict=True)]
    result = evaluate_runs(runs, SETTINGS, trained)
    for part, summary in result.by_part.items():
        assert summary.images == sum(parts[part].images for parts in alone)
        assert summary.loss == pytest.approx(np.mean([parts[part].loss for parts in alone]))
        assert summary.accuracy == pytest.approx(np.mean([parts[part].accuracy for parts in alone]))
    assert set(evaluate_runs(runs, SETTINGS, [trained[0], None]).by_part) == {"validation", "test"}
