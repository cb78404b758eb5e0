"""The curve of the test part: what it logs, and that the training is the same without it."""

import pytest

from karyocyte.common.runs.run import Run
from karyocyte.evaluation.core.plots import panels_of
from tests.helpers.training import run_undrawn, small_config

NET = ["model=scratch_cnn", "prepare.size=64", "head.layers=[gap,{dropout:0.5}]", "unfreeze=whole"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same training without the curve, and with it, elsewhere: both have one address."""
    found = []
    for words in ([], ["callbacks=paper_003"]):
        home = tmp_path_factory.mktemp("runs")
        found.append(Run(run_undrawn(small_config(home, *NET, *words))))
    return found


def test_the_last_epochs_figures_are_those_of_the_weights_that_were_tested(runs):
    plain, watched = runs
    curve = watched.history.set_index("epoch")
    best = int(watched.best_epoch("val/loss", lower_is_better=True)["epoch"])
    test = watched.predictions.part("test")
    accuracy = (test.probabilities.argmax(axis=1) == test.labels).mean()
    assert curve.loc[best, "test_curve/acc"] == pytest.approx(accuracy)
    assert curve[["test_curve/loss", "test_curve/auc"]].notna().all(axis=None)
    assert "test_curve/acc" not in plain.history
    assert panels_of(watched.history) == panels_of(plain.history)


def test_the_training_is_the_same_without_it(runs):
    plain, watched = runs
    assert plain.folder.relative_to(plain.folder.parents[3]) == watched.folder.relative_to(watched.folder.parents[3])
    columns = [name for name in plain.history if name.startswith(("train/", "val/"))]
    assert plain.history[columns].equals(watched.history[columns])
    assert (plain.predictions.probabilities == watched.predictions.probabilities).all()


def test_a_stage_with_it_is_shown_images(tmp_path, capsys):
    words = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only", "transform=none", "trainer.max_epochs=9"]
    run_undrawn(small_config(tmp_path, *words, "callbacks=paper_003"))
    assert "features are not cached: callbacks.extra.test_curve needs the images" in capsys.readouterr().out
