"""Freed memory is returned while the first steps of a fit settle and after the last one, and kept between."""

from pytorch_lightning import Callback

from lightning_modules.callbacks import freed_memory
from lightning_modules.training.fit import train_stages
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, build


class Steps(Callback):
    """Notes at which steps memory was returned, and how many tensors the room for moments held at the start of each."""

    def __init__(self):
        self.step = 0
        self.returned = []
        self.tensors = []

    def on_train_batch_start(self, trainer, *rest):
        self.step = trainer.global_step + 1
        memory = next(each for each in trainer.callbacks if isinstance(each, freed_memory.FreedMemory))
        self.tensors.append(len(memory.room))

    def note(self):
        self.returned.append(self.step)


def test_memory_is_returned_after_the_first_two_steps_and_the_last_and_room_for_moments_taken_before_the_first(
    tmp_path, monkeypatch
):
    config = small_config(tmp_path, "model=resnet18", "model.cut=layer1", "trainer.max_epochs=1")
    steps, model = Steps(), build(config)
    monkeypatch.setattr(freed_memory, "return_freed_memory", steps.note)
    train_stages(model, MemoryData(), config, tmp_path / "run", [steps])
    head, finetune = steps.tensors[: len(steps.tensors) // 2], steps.tensors[len(steps.tensors) // 2 :]
    assert steps.returned == [1, 2, len(head), 1, 2, len(finetune)]
    assert (head[0], finetune[0]) == (2 * len(list(model.head.parameters())), 2 * len(list(model.parameters())))
    assert not any(head[1:] + finetune[1:])
