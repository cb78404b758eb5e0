"""Scatter plots of a search."""

import numpy as np
import pandas as pd
import pytest

from karyocyte.workflows.sweeps.tuning.results import scatter
from karyocyte.workflows.sweeps.tuning.settings import DimensionConfig

ABOUT = {"name": "tiny, search (tpe)", "synthetic": True, "protocol": "subject", "fold": 0, "folds": 5}
TRIALS = pd.DataFrame(
    {
        "state": ["finished", "finished", "pruned", "failed", "running", "repeated"],
        "val_loss": [0.5, 0.3, 0.9, None, None, 0.4],
        "val_acc": [0.7, 0.8, 0.5, None, None, 0.9],
        "lr": [1e-3, 1e-2, 1e-4, 1e-1, 1e-3, 1e-3],
        "batch": [8, 512, 16, 512, 8, 8],
    }
)
RATES = DimensionConfig(low=1e-5, high=1e-1, log=True)


def test_finished_and_pruned_trials_have_their_marks_and_the_others_are_left_out(tmp_path, saved_figures):
    scatter(tmp_path / "lr.png", TRIALS, "lr", RATES, ABOUT)
    axis = saved_figures[0].axes[0]
    finished, pruned = (np.asarray(drawn.get_offsets()).tolist() for drawn in axis.collections)
    assert finished == [[1e-3, 0.5], [1e-2, 0.3]]
    assert pruned == [[1e-4, 0.9]]
    assert axis.get_xscale() == "log"
    assert saved_figures[0].axes[1].get_ylabel() == "validation accuracy"
    assert (tmp_path / "lr.png").is_file()


def test_choices_stand_side_by_side(tmp_path, saved_figures):
    scatter(tmp_path / "few.png", TRIALS, "batch", DimensionConfig(choices=[8, 16, 512]), ABOUT)
    axis = saved_figures[0].axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["8", "16", "512"]
    assert np.asarray(axis.collections[0].get_offsets()).tolist() == [[0, 0.5], [2, 0.3]]


@pytest.mark.parametrize("rows", [[3], []], ids=["failed alone", "nothing"])
def test_searches_without_finished_trials_are_drawn(tmp_path, saved_figures, rows):
    scatter(tmp_path / "lr.png", TRIALS.iloc[rows], "lr", RATES, ABOUT)
    assert (tmp_path / "lr.png").exists()
