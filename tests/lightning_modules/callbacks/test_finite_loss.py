"""A loss that is no number ends the training before anything is compared or saved."""

import pytest
import torch
from pytorch_lightning import Callback

from karyocyte.common.errors import UserError
from lightning_modules.callbacks.finite_loss import FiniteLoss
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import train

TINY = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only"]


class Spoiling(Callback):
    """Makes the images of a batch of the second epoch undefined."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (1, 2):
            batch["image"].fill_(float("nan"))


@pytest.mark.parametrize("device", ["cpu", "accelerator"])
def test_a_loss_that_is_no_number_names_the_stage_and_nothing_is_saved_after_it(tmp_path, monkeypatch, device):
    if device == "accelerator":  # whose losses are looked at when the epoch is over
        add = FiniteLoss.on_before_backward
        elsewhere = lambda self, trainer, module, loss: add(self, trainer, module, Elsewhere(loss))  # noqa: E731
        monkeypatch.setattr(FiniteLoss, "on_before_backward", elsewhere)
    with pytest.raises(UserError, match="stage head, epoch 2: the loss is nan: lower unfreeze.stages.head.lr") as error:
        train(small_config(tmp_path, *TINY), tmp_path / "run", Spoiling())
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
