"""A loss that the configuration names, in place of cross-entropy."""

import pytest
import torch
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.config.schema import LossConfig
from lightning_modules.losses import build_losses, check_loss


class Focal(nn.Module):
    """A loss with an argument, and a buffer that no checkpoint holds."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("scale", torch.ones(1))

    def forward(self, logits, label):
        losses = nn.functional.cross_entropy(logits, label, reduction="none")
        return (self.scale * (1 - (-losses).exp()) ** self.gamma * losses).mean()


FOCAL = {"_target_": "tests.lightning_modules.test_losses.Focal", "gamma": 2.0}


def test_a_named_loss_trains_and_validates():
    training, validation = build_losses(LossConfig(**FOCAL))
    logits, label = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3
    torch.testing.assert_close(training(logits, label), Focal(2.0)(logits, label))
    assert validation is training
    assert not training.state_dict()
    check_loss(training, 3)


def test_one_logit_reaches_the_loss_as_torch_has_it():
    loss, _ = build_losses(LossConfig(_target_="torch.nn.BCEWithLogitsLoss"))
    check_loss(loss, 1)
    logits, label = torch.tensor([[0.3], [-0.2]]), torch.tensor([1, 0])
    torch.testing.assert_close(loss(logits, label), build_losses(LossConfig())[0](logits, label))


def test_cross_entropy_of_a_single_logit_is_refused():
    """It would take the float labels for probabilities over the batch."""
    loss, _ = build_losses(LossConfig(_target_="torch.nn.CrossEntropyLoss"))
    with pytest.raises(UserError, match="head.logits=1"):
        check_loss(loss, 1)
