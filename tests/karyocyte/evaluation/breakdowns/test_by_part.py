"""Loss and accuracy of each part."""

import numpy as np
import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.types.result import Kind
from tests.helpers.predictions import join, make_predictions, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20)


def test_loss_is_the_mean_log_loss_and_accuracy_that_at_one_half():
    test = with_scores([1, 1, 0, 0], [0.9, 0.4, 0.5, 0.1])
    run = join(with_scores([1, 0], [0.8, 0.2], part="validation"), test)
    train = with_scores([1, 0, 0], [1.0, 0.0, 1.0], part="train")
    result = evaluate_runs([run], SETTINGS, [train])
    test, validation = (result.of(Kind.CHOSEN_WEIGHTS, part) for part in ("test", "validation"))
    assert test["loss"].n == 4
    assert test["loss"].value == pytest.approx(-np.log([0.9, 0.4, 0.5, 0.9]).mean())
    assert test["accuracy"].value == 0.5
    assert validation["loss"].value == pytest.approx(-np.log(0.8))
    assert validation["accuracy"].value == 1.0
    # A probability of 0 for the truth counts as the least one that is told from 0.
    assert result.of(Kind.CHOSEN_WEIGHTS, "train")["loss"].value == pytest.approx(-np.log(1e-12) / 3)


def test_of_several_folds_they_are_means_over_the_folds():
    runs = [make_run(fold, images=40, seed=3) for fold in range(2)]
    trained = [make_predictions(images, part="train", seed=images) for images in (30, 50)]
    alone = [evaluate_runs([run], SETTINGS, [train]) for run, train in zip(runs, trained, strict=True)]
    result = evaluate_runs(runs, SETTINGS, trained)
    for part in ("train", "validation", "test"):
        for name, mean in result.of(Kind.CHOSEN_WEIGHTS, part).items():
            single = [each.of(Kind.CHOSEN_WEIGHTS, part)[name] for each in alone]
            assert mean.n == sum(each.n for each in single)
            assert mean.value == pytest.approx(np.mean([each.value for each in single]))
    assert not evaluate_runs(runs, SETTINGS, [trained[0], None]).of(Kind.CHOSEN_WEIGHTS, "train")
