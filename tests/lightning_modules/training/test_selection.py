"""Which of the saved checkpoints is a stage's best, and the table of all of them."""

from math import inf, nan

import pandas as pd
import pytest

from karyocyte.config.schema import StageConfig
from karyocyte.runs.stages import RunStage
from lightning_modules.callbacks.paper_002 import CheckAndAdjust, SavedWeights

SAVED = [SavedWeights(f"step-{step:06d}.ckpt", step, 0, "check", 0.5, 1e-3) for step in (1, 201, 401)]


@pytest.mark.parametrize(
    ("scores", "monitor", "best"),
    [
        pytest.param((0.1, 0.3, 0.2), "val/acc", 1, id="the largest"),
        pytest.param((0.2, 0.3, 0.1), "val/loss", 2, id="the least"),
        pytest.param((0.1, 0.3, 0.3), "val/acc", 1, id="of equals the earliest"),
        pytest.param((0.3, 0.1, 0.1), "val/loss", 1, id="of equal losses the earliest"),
        pytest.param((nan, 0.3, 0.2), "val/loss", 2, id="a loss that is no number is not the least"),
        pytest.param((inf, nan, 0.2), "val/acc", 2, id="what is not finite is not the largest"),
        pytest.param((nan, inf, -inf), "val/loss", None, id="none where no score is finite"),
    ],
)
def test_the_best_of_the_saved_is_copied(tmp_path, scores, monitor, best):
    stage = RunStage(0, "all", StageConfig(lr=1e-3), tmp_path / "checkpoints" / "1-all")
    stage.folder.mkdir(parents=True)
    by_file = {each.file: score for each, score in zip(SAVED, scores, strict=True)}
    for file in by_file:
        (stage.folder / file).write_text(file)
    levels = [{"above": 0.5, "gate": 0.1, "lr": 1e-3}]
    callback = CheckAndAdjust(200, None, levels, stage, monitor, "min" if monitor == "val/loss" else "max")
    callback.saved = SAVED
    score = callback.choose_best(lambda path: by_file[path.name])
    table = pd.read_csv(tmp_path / "logs" / "1-all" / "check_and_adjust.csv")
    assert table["step"].tolist() == [1, 201, 401]
    assert table[monitor].tolist() == pytest.approx(list(scores), nan_ok=True)
    if best is None:
        assert score is None
        assert not (stage.folder / "best.ckpt").exists()
    else:
        assert score == scores[best]
        assert (stage.folder / "best.ckpt").read_text() == SAVED[best].file
