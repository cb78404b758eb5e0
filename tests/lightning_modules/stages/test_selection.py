"""Which of the saved checkpoints is a stage's best, and the table of all of them."""

from math import inf, nan

import pandas as pd
import pytest

from common.config.schema import CallbacksConfig
from lightning_modules.callbacks.paper_002 import SavedWeights
from lightning_modules.stages.fit import validate_saved

SAVED = [SavedWeights(f"step-{step:06d}.ckpt", step, 0, "check", 0.5, 1e-3) for step in (1, 201, 401)]


def choose(tmp_path, scores, monitor):
    by_path = {tmp_path / each.file: score for each, score in zip(SAVED, scores, strict=True)}
    table = tmp_path / "logs" / "table.csv"
    best = validate_saved(SAVED, tmp_path, table, by_path.__getitem__, CallbacksConfig(monitor=monitor))
    return best, pd.read_csv(table)


@pytest.mark.parametrize(
    ("scores", "monitor", "best"),
    [
        pytest.param((0.1, 0.3, 0.2), "val/acc", 1, id="the largest"),
        pytest.param((0.2, 0.3, 0.1), "val/loss", 2, id="the least"),
        pytest.param((0.1, 0.3, 0.3), "val/acc", 1, id="of equals the earliest"),
        pytest.param((0.3, 0.1, 0.1), "val/loss", 1, id="of equal losses the earliest"),
        pytest.param((nan, 0.3, 0.2), "val/loss", 2, id="a loss that is no number is not the least"),
        pytest.param((inf, nan, 0.2), "val/acc", 2, id="what is not finite is not the largest"),
    ],
)
def test_the_best_of_the_saved(tmp_path, scores, monitor, best):
    chosen, table = choose(tmp_path, scores, monitor)
    assert chosen == (tmp_path / SAVED[best].file, scores[best])
    assert table["step"].tolist() == [1, 201, 401]
    assert table[monitor].tolist() == pytest.approx(list(scores), nan_ok=True)


def test_there_is_none_where_no_score_is_finite(tmp_path):
    best, table = choose(tmp_path, (nan, inf, -inf), "val/loss")
    assert best is None
    assert len(table) == 3
