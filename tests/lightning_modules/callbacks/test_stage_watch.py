"""What watches a stage: progress.json, a loss that is no number, memory that is returned, lines without a bar."""

import json
import time
from unittest.mock import Mock

import pytest
import torch
from pytorch_lightning import Callback

from karyocyte.common.errors import UserError
from karyocyte.runs.run import Run
from lightning_modules.callbacks import stage_watch
from lightning_modules.callbacks.stage_watch import StageWatch
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import Watch, train

NET = ["model=resnet18", "model.cut=layer2"]
TINY = ["model=resnet18", "model.cut=layer1"]
WHOLE = [*NET, "unfreeze=whole", "unfreeze.lr=0.001"]


@pytest.fixture
def written(monkeypatch):
    """Write at every chance, and keep what was written."""
    contents = []
    write = Run.write_json

    def keep(run, file, value):
        write(run, file, value)
        contents.append(json.loads(run.path(file).read_text()))

    monkeypatch.setattr(stage_watch, "EVERY", 0.0)
    monkeypatch.setattr(stage_watch.Run, "write_json", keep)
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
    monkeypatch.setattr(stage_watch.Run, "write_json", Mock(side_effect=OSError(28, "No space left on device")))
    _, records = train(small_config(tmp_path, *WHOLE), tmp_path / "run")
    assert records[0].epochs == 2
    assert not (tmp_path / "run" / "progress.json").exists()


class Spoiling(Callback):
    """Makes the images of a batch of the second epoch undefined."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (1, 2):
            batch["image"].fill_(float("nan"))


@pytest.mark.parametrize("device", ["cpu", "accelerator"])
def test_a_loss_that_is_no_number_names_the_stage_and_nothing_is_saved_after_it(tmp_path, monkeypatch, device):
    if device == "accelerator":  # whose losses are looked at when the epoch is over
        add = StageWatch.on_before_backward
        elsewhere = lambda self, trainer, module, loss: add(self, trainer, module, Elsewhere(loss))  # noqa: E731
        monkeypatch.setattr(StageWatch, "on_before_backward", elsewhere)
    with pytest.raises(UserError, match="stage head, epoch 2: the loss is nan: lower unfreeze.stages.head.lr") as error:
        train(small_config(tmp_path, *TINY, "unfreeze=head_only"), tmp_path / "run", Spoiling())
    checkpoints = list((tmp_path / "run").rglob("*.ckpt"))
    assert checkpoints
    assert str(checkpoints[0].parent) in str(error.value)
    for checkpoint in checkpoints:
        weights = torch.load(checkpoint, weights_only=True)["state_dict"]
        assert all(values.isfinite().all() for values in weights.values())


class Elsewhere:
    """A loss that says to be of an accelerator."""

    device = torch.device("meta")

    def __init__(self, loss):
        self.loss = loss

    def detach(self):
        return self.loss.detach()


class Steps(Callback):
    """Notes at which steps memory was returned, and how many tensors the room for moments held at the start of each."""

    def __init__(self):
        self.step = 0
        self.returned = []
        self.tensors = []

    def on_train_batch_start(self, trainer, *rest):
        self.step = trainer.global_step + 1
        memory = next(each for each in trainer.callbacks if isinstance(each, StageWatch))
        self.tensors.append(len(memory.room))

    def note(self):
        self.returned.append(self.step)


def test_memory_is_returned_after_the_first_two_steps_and_the_last(tmp_path, monkeypatch):
    steps = Steps()
    monkeypatch.setattr(stage_watch, "return_freed_memory", steps.note)
    model, _ = train(small_config(tmp_path, *TINY, "trainer.max_epochs=1"), tmp_path / "run", steps)
    head, finetune = steps.tensors[: len(steps.tensors) // 2], steps.tensors[len(steps.tensors) // 2 :]
    assert steps.returned == [1, 2, len(head), 1, 2, len(finetune)]
    assert (head[0], finetune[0]) == (2 * len(list(model.head.parameters())), 2 * len(list(model.parameters())))
    assert not any(head[1:] + finetune[1:])


def test_without_a_bar_some_epochs_are_a_line_each(tmp_path, capsys):
    for shown in ("true", "false"):
        overrides = [*TINY, "unfreeze=head_only", "trainer.max_epochs=5", f"trainer.enable_progress_bar={shown}"]
        train(small_config(tmp_path, *overrides), tmp_path / shown)
        epochs = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  epoch")]
        assert epochs == ["  epoch 1/5", "  epoch 2/5", "  epoch 3/5", "  epoch 4/5"] * (shown == "true")
