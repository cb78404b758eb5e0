"""BatchNorm of a trained network that takes the statistics of images from another source."""

import torch
from torch import nn

from lightning_modules.prediction.adaptation import TRAINING_WEIGHT, adapt_batchnorm


def trained_network() -> nn.Sequential:
    """A convolution and BatchNorm with the statistics of images around 0."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, momentum=1.0), nn.ReLU(), nn.Conv2d(8, 4, 3))
    network(torch.randn(500, 3, 8, 8))
    network[1].momentum = 0.1
    return network.eval()


def test_statistics_are_averaged_by_the_numbers_of_images():
    network = trained_network()
    mean, variance = network[1].running_mean.clone(), network[1].running_var.clone()
    images = 3 + 2 * torch.randn(TRAINING_WEIGHT // 2, 3, 8, 8)
    values = network[0](images).detach()
    assert adapt_batchnorm(network, images) == 1
    new_mean, new_variance = values.mean((0, 2, 3)), values.var((0, 2, 3))
    assert torch.allclose(network[1].running_mean, mean * 2 / 3 + new_mean / 3, atol=1e-4)
    assert torch.allclose(network[1].running_var, variance * 2 / 3 + new_variance / 3, rtol=1e-4)
    assert network[1].momentum == 0.1
    assert not any(module.training for module in network.modules())


def test_weights_and_a_network_without_batchnorm_do_not_change():
    network = trained_network()
    before = {name: value.clone() for name, value in network.named_parameters()}
    adapt_batchnorm(network, torch.rand(10, 3, 8, 8))
    assert all(torch.equal(before[name], value) for name, value in network.named_parameters())
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)).eval()
    images = torch.rand(10, 3, 8, 8)
    expected = plain(images)
    assert adapt_batchnorm(plain, images) == 0
    assert torch.equal(plain(images), expected)
