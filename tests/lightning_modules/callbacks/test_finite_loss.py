"""A loss that is no number ends the training before anything is compared or saved, and no step waits for it."""

from functools import partial

import pytest
import torch
from pytorch_lightning import Callback
from torch.utils._python_dispatch import TorchDispatchMode

from karyocyte.common.errors import UserError
from lightning_modules.callbacks.finite_loss import FiniteLoss
from lightning_modules.training import fit
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import train

TINY = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only"]


class Spoiling(Callback):
    """Makes the images of a batch of the second epoch undefined."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (1, 2):
            batch["image"].fill_(float("nan"))


@pytest.mark.parametrize("kept", [1, 2, 5, 50])
def test_losses_checked_several_at_once_name_the_batch_and_nothing_is_saved_after_it(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(fit, "FiniteLoss", partial(FiniteLoss, kept=kept))
    with pytest.raises(UserError, match="stage head, epoch 2, batch 3: the loss is nan: lower unfreeze.stages.head.lr"):
        train(small_config(tmp_path, *TINY), tmp_path / "run", Spoiling())
    checkpoints = list((tmp_path / "run").rglob("*.ckpt"))
    assert checkpoints
    for checkpoint in checkpoints:
        weights = torch.load(checkpoint, weights_only=True)["state_dict"]
        assert all(values.isfinite().all() for values in weights.values())


class Reads(TorchDispatchMode):
    """Counts how often a number of a tensor is read, for which a GPU would stop until it has computed it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))

    def watch_lists(self, monkeypatch):
        """Count ``tolist``, which is dispatched nowhere, too."""
        listed = torch.Tensor.tolist

        def tolist(values):
            self.count += 1
            return listed(values)

        monkeypatch.setattr(torch.Tensor, "tolist", tolist)


class CountedSteps(Callback):
    """Notes the reads up to each end of a batch of the first epoch."""

    def __init__(self, reads: Reads) -> None:
        self.reads = reads
        self.ends: list[int] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == 0:
            self.ends.append(self.reads.count)


@pytest.mark.parametrize(("kept", "per_step"), [(1, 1), (50, 0)])
def test_no_step_reads_a_number_where_losses_are_checked_at_once(tmp_path, monkeypatch, kept, per_step):
    monkeypatch.setattr(fit, "FiniteLoss", partial(FiniteLoss, kept=kept))
    config = small_config(tmp_path, *TINY, "+optimizer.fused=true", "trainer.enable_progress_bar=false")
    with Reads() as reads:
        reads.watch_lists(monkeypatch)
        steps = CountedSteps(reads)
        train(config, tmp_path / "run", steps)
    assert steps.ends[-1] - steps.ends[0] == per_step * (len(steps.ends) - 1)
