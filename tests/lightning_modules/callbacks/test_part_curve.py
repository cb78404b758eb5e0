"""The curves of parts: what they log, and that the training is the same without them."""

import pytest
from sklearn.metrics import log_loss

from karyocyte.runs.run import Run
from tests.helpers.training import run_undrawn, small_config

NET = ["model=scratch_cnn", "prepare.size=64", "head.layers=[gap,{dropout:0.5}]", "unfreeze=whole"]
ALL_TRAINING_IMAGES = "evaluation.train_images=10000"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same training without the curve, and with it, elsewhere: both have one address."""
    found = []
    for words in ([], ["callbacks=paper_003"]):
        home = tmp_path_factory.mktemp("runs")
        found.append(Run(run_undrawn(small_config(home, *NET, ALL_TRAINING_IMAGES, *words))))
    return found


def test_the_last_epochs_figures_are_those_of_the_weights_that_were_tested(runs):
    plain, watched = runs
    curve = watched.history.set_index("epoch")
    best = curve["val/loss"].idxmin()
    test = watched.predictions.part("test")
    accuracy = (test.probabilities.argmax(axis=1) == test.labels).mean()
    assert curve.loc[best, "test_curve/acc"] == pytest.approx(accuracy)
    loss = log_loss(test.labels, test.probabilities)
    assert curve.loc[best, "test_curve/loss"] == pytest.approx(loss, rel=1e-4)
    assert curve["test_curve/auc"].notna().all()
    assert "test_curve/acc" not in plain.history
    train = watched.predictions_train  # of all training images, by the weights of the same epoch
    accuracy = (train.probabilities.argmax(axis=1) == train.labels).mean()
    assert curve.loc[best, "train_curve/acc"] == pytest.approx(accuracy)


def test_the_training_is_the_same_without_it(runs):
    plain, watched = runs
    assert plain.folder.relative_to(plain.folder.parents[3]) == watched.folder.relative_to(watched.folder.parents[3])
    columns = [name for name in plain.history if name.startswith(("train/", "val/"))]
    assert plain.history[columns].equals(watched.history[columns])
    assert (plain.predictions.probabilities == watched.predictions.probabilities).all()
