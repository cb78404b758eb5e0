"""Freed memory is returned while the first steps of a fit settle, and kept after them."""

from pytorch_lightning import Callback

from lightning_modules.callbacks import freed_memory
from lightning_modules.training.fit import train_stages
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, build


class Steps(Callback):
    """Counts the steps of a fit, and notes at which of them memory was returned."""

    def __init__(self):
        self.step = 0
        self.returned = []

    def on_train_batch_start(self, trainer, *rest):
        self.step = trainer.global_step + 1

    def note(self):
        self.returned.append(self.step)


def test_memory_is_returned_after_the_first_two_steps_of_each_stage(tmp_path, monkeypatch):
    config = small_config(tmp_path, "model=resnet18", "model.cut=layer1", "trainer.max_epochs=1")
    steps = Steps()
    monkeypatch.setattr(freed_memory, "return_freed_memory", steps.note)
    train_stages(build(config), MemoryData(), config, tmp_path / "run", [steps])
    assert steps.returned == [1, 2] * len(config.unfreeze.stages)


class Room(Callback):
    """Notes, at the start of each step, how many tensors the room for moments holds."""

    def __init__(self):
        self.tensors = []

    def on_train_batch_start(self, trainer, *rest):
        memory = next(each for each in trainer.callbacks if isinstance(each, freed_memory.FirstStepsMemory))
        self.tensors.append(len(memory.room))


def test_room_for_the_moments_is_taken_before_the_first_step_alone(tmp_path):
    config = small_config(tmp_path, "model=resnet18", "model.cut=layer1", "trainer.max_epochs=1")
    room = Room()
    model = build(config)
    train_stages(model, MemoryData(), config, tmp_path / "run", [room])
    steps = len(room.tensors) // len(config.unfreeze.stages)
    head, finetune = room.tensors[:steps], room.tensors[steps:]
    assert head[0] == 2 * len(list(model.head.parameters()))
    assert finetune[0] == 2 * len(list(model.parameters()))
    assert not any(head[1:] + finetune[1:])
