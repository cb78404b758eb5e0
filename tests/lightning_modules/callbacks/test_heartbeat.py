"""progress.json: its content, when it is written, and that it costs and breaks nothing."""

import json
import time
from unittest.mock import Mock

import pytest

from karyocyte.runs.run import Run
from lightning_modules.callbacks import heartbeat
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import Watch, train

NET = ["model=resnet18", "model.cut=layer2"]
WHOLE = [*NET, "unfreeze=whole", "unfreeze.lr=0.001"]


@pytest.fixture
def written(monkeypatch):
    """Write at every chance, and keep what was written."""
    contents = []
    write = Run.write_json

    def keep(run, file, value):
        write(run, file, value)
        contents.append(json.loads(run.path(file).read_text()))

    monkeypatch.setattr(heartbeat, "EVERY", 0.0)
    monkeypatch.setattr(heartbeat.Run, "write_json", keep)
    return contents


@pytest.fixture
def stages(tmp_path):
    """A configuration of two stages, of 2 and 3 epochs of 8 steps."""
    plain = small_config(tmp_path, *WHOLE, "trainer.max_epochs=3")
    (stage,) = plain.unfreeze.stages.values()
    both = {"first": stage.model_copy(update={"max_epochs": 2}), "second": stage}
    return plain.model_copy(update={"unfreeze": plain.unfreeze.model_copy(update={"stages": both})})


def test_it_follows_the_training_through_its_stages(stages, tmp_path, written):
    _, records = train(stages, tmp_path / "run")
    positions = [(one["stage"], one["epoch"], one["step"]) for one in written]
    assert positions == sorted(positions)
    assert {(one["stage"], one["stages"], one["stage_name"]) for one in written} == {(1, 2, "first"), (2, 2, "second")}
    assert {(one["stage"], one["epochs"]) for one in written} == {(1, 2), (2, 3)}
    assert {one["epoch"] for one in written if one["stage"] == 2} == {1, 2, 3}
    last = written[-1]
    assert (last["epoch"], last["step"]) == (3, 24)
    assert last["best"] == pytest.approx(records[-1].score)
    assert last["monitor"] == "val/loss"
    assert written[0]["updated"] <= last["updated"] <= time.time()


def test_a_resume_goes_on_counting(stages, tmp_path, written):
    class StopInSecond(Watch):
        def on_train_batch_start(self, trainer, *rest):
            if trainer.max_epochs == 3:
                super().on_train_batch_start(trainer, *rest)

    with pytest.raises(RuntimeError, match="killed"):
        train(stages, tmp_path / "run", StopInSecond(kill=12))
    before = json.loads((tmp_path / "run" / "progress.json").read_text())
    assert (before["stage"], before["epoch"], before["step"]) == (2, 2, 12)
    written.clear()
    _, records = train(stages, tmp_path / "run")
    assert (written[0]["stage"], written[0]["step"]) == (2, 8)  # the last checkpoint
    assert written[0]["best"] is not None
    assert sum(record.images_seen for record in records) == 32 * 5


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat.Run, "write_json", Mock(side_effect=OSError(28, "No space left on device")))
    _, records = train(small_config(tmp_path, *WHOLE), tmp_path / "run")
    assert records[0].epochs == 2
    assert not (tmp_path / "run" / "progress.json").exists()
