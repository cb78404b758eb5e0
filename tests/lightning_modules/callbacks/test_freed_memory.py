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
