"""BatchNorm is folded where a convolution feeds it alone; a network that cannot be folded stays as it is."""

import pytest
import timm
import torch
from torch import nn

from lightning_modules.backbones.batchnorm_folding import fold_batchnorm
from lightning_modules.backbones.truncation import features_of, random_image

IMAGE = random_image(32)


def trained(network: nn.Module) -> nn.Module:
    """Return a network in eval mode whose BatchNorm layers do something."""
    torch.manual_seed(0)
    for layer in normalised(network):
        layer.running_mean.normal_(0, 0.1)
        layer.running_var.uniform_(0.5, 1.5)
    return network.eval()


def normalised(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize(("name", "left"), [("resnet10t", 0), ("mobilenetv2_035", 0), ("densenet121", 62)])
@torch.no_grad()
def test_a_folded_network_computes_the_same(name, left):
    network = trained(timm.create_model(name, num_classes=0))
    before = len(normalised(network))
    folded = fold_batchnorm(network, IMAGE)
    assert len(normalised(network)) == before
    assert len(normalised(folded)) == left
    expected = features_of(network, IMAGE)
    torch.testing.assert_close(features_of(folded, IMAGE), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


class Branched(nn.Module):
    """The output of its convolution goes on beside BatchNorm, too; ``shared``: a layer is used twice."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1)
        self.normalisation = nn.BatchNorm2d(3)
        self.shared = shared

    def forward_features(self, image: torch.Tensor) -> torch.Tensor:
        x = self.convolution(image)
        return self.normalisation(self.convolution(x)) if self.shared else x + self.normalisation(x)


@pytest.mark.parametrize("shared", [False, True])
def test_a_network_that_cannot_be_folded_stays(shared):
    network = trained(Branched(shared))
    assert fold_batchnorm(network, IMAGE) is network
