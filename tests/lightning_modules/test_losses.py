"""A loss that the configuration names, in place of cross-entropy."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.config.schema import LossConfig
from lightning_modules.losses import build_losses, check_loss, with_class_weights


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


def own(**settings):
    return build_losses(LossConfig(**settings))[0]


def test_a_named_loss_trains_and_validates():
    training, validation = build_losses(LossConfig(**FOCAL))
    logits, label = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3
    torch.testing.assert_close(training(logits, label), Focal(2.0)(logits, label))
    assert validation is training
    assert not training.state_dict()
    check_loss(training, 3)


@pytest.mark.parametrize(("logits", "classes"), [(1, 2), (3, 3), (6, 3)])
def test_the_loss_of_an_image_counts_as_much_as_its_class_weighs(logits, classes):
    labels = np.array([0, 0, 0, 1, 1, 2])[np.array([0, 0, 0, 1, 1, 2]) < classes]
    config = with_class_weights(LossConfig(class_weights="balanced"), "abc"[:classes], labels)
    expected = compute_class_weight("balanced", classes=np.arange(classes), y=labels)
    assert config.class_weights == pytest.approx(expected)
    scores = torch.randn(5, logits, generator=torch.Generator().manual_seed(0))
    label = torch.arange(5) % max(logits, 2)
    of_one = [build_losses(LossConfig())[0](scores[[i]], label[[i]]) * expected[label[i] % classes] for i in range(5)]
    for loss in build_losses(config):
        torch.testing.assert_close(loss(scores, label).double(), torch.stack(of_one).mean().double())


def test_class_weights_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="no image of b trains"):
        with_class_weights(LossConfig(class_weights="balanced"), "ab", np.zeros(3, np.int64))
    with pytest.raises(UserError, match="has 3 numbers for the 2 classes a, b"):
        with_class_weights(LossConfig(class_weights=(1, 2, 3)), "ab", np.zeros(3, np.int64))
    with pytest.raises(UserError, match="Focal takes none"):
        own(**FOCAL, class_weights=(1, 2))


def test_one_logit_reaches_the_loss_as_torch_has_it():
    loss = own(_target_="torch.nn.BCEWithLogitsLoss")
    logits, label = torch.tensor([[0.3], [-0.2]]), torch.tensor([1, 0])
    torch.testing.assert_close(loss(logits, label), build_losses(LossConfig())[0](logits, label))


def test_cross_entropy_of_a_single_logit_is_refused():
    """It would take the float labels for probabilities over the batch."""
    with pytest.raises(UserError, match="head.logits=1"):
        check_loss(own(_target_="torch.nn.CrossEntropyLoss"), 1)
    check_loss(own(_target_="torch.nn.BCEWithLogitsLoss"), 1)
