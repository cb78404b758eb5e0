"""Scatter plots of a search: marks of finished, pruned and failed trials."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workflows.sweeps.tuning.results import FAILED_HEIGHT, scatter

ABOUT = {"name": "tiny, search (tpe)", "synthetic": True, "protocol": "subject", "fold": 0, "folds": 5}


def trials(**columns):
    table = {
        "state": ["finished", "finished", "pruned", "failed", "running", "repeated"],
        "val_loss": [0.5, 0.3, 0.9, None, None, 0.4],
        "val_acc": [0.7, 0.8, 0.5, None, None, 0.9],
        "val/auc": [0.9, 0.8, 0.6, None, None, 1.0],
        "lr": [1e-3, 1e-2, 1e-4, 1e-1, 1e-3, 1e-3],
        "batch": [8, 16, 8, 512, 8, 8],
        "optimizer": ["Adam", "SGD", "Adam", "SGD", "SGD", "Adam"],
    }
    return pd.DataFrame({**table, **columns})


def marks(axis):
    """The offsets, and whether hollow, of everything drawn."""
    drawn = [(np.asarray(each.get_offsets()), each.get_facecolors()) for each in axis.collections]
    return [(offsets, len(faces) == 0) for offsets, faces in drawn if len(offsets)]


def test_each_state_has_its_mark_and_the_others_are_left_out(tmp_path, saved_figures):
    scatter(tmp_path / "lr.png", trials(), "lr", True, "val/auc", ABOUT)
    axis = saved_figures[0].axes[0]
    (finished, full), (pruned, hollow), (ring, _), (failed, _) = marks(axis)
    assert finished.tolist() == [[1e-3, 0.5], [1e-2, 0.3]]
    assert not full
    assert pruned.tolist() == [[1e-4, 0.9]]
    assert hollow
    assert ring.tolist() == [[1e-3, 0.5]]  # the best AUC, not the least loss
    assert failed.tolist() == [[1e-1, FAILED_HEIGHT]]
    assert axis.get_xscale() == "log"
    labels = [text.get_text() for text in saved_figures[0].legends[0].get_texts()]
    assert labels == ["finished (2)", "pruned (1)", "best by validation AUC", "failed (1)"]
    assert saved_figures[0].axes[1].get_ylabel() == "validation accuracy"
    with Image.open(tmp_path / "lr.png") as picture:
        assert picture.width > 900


def test_the_least_loss_is_the_best_where_the_loss_is_monitored(tmp_path, saved_figures):
    scatter(tmp_path / "lr.png", trials(**{"val/loss": trials()["val_loss"]}), "lr", True, "val/loss", ABOUT)
    assert marks(saved_figures[0].axes[0])[2][0].tolist() == [[1e-2, 0.3]]


@pytest.mark.parametrize(("key", "names"), [("batch", ["8", "16", "512"]), ("optimizer", ["Adam", "SGD"])])
def test_a_few_values_stand_side_by_side(tmp_path, saved_figures, key, names):
    scatter(tmp_path / "few.png", trials().astype({"batch": object}), key, False, "val/auc", ABOUT)
    axis = saved_figures[0].axes[0]
    assert axis.get_xticks().tolist() == list(range(len(names)))
    assert [label.get_text() for label in axis.get_xticklabels()] == names


def test_one_diverged_trial_does_not_flatten_the_others(tmp_path, saved_figures):
    scatter(tmp_path / "lr.png", trials(val_loss=[0.5, 0.3, 900.0, None, None, None]), "lr", True, "val/auc", ABOUT)
    assert saved_figures[0].axes[0].get_yscale() == "log"


@pytest.mark.parametrize("rows", [[3], [4], []], ids=["failed alone", "running alone", "nothing"])
def test_searches_without_finished_trials_are_drawn(tmp_path, saved_figures, rows):
    scatter(tmp_path / "lr.png", trials().iloc[rows], "lr", True, "val/auc", ABOUT)
    assert len(marks(saved_figures[0].axes[0])) == (rows == [3])
    assert (tmp_path / "lr.png").exists()
