"""Folded BatchNorm with the statistics of images: the same network in eval mode, normalised features in training."""

import torch
from torch import nn

from lightning_modules.backbones.batchnorm_restoration import restore_batchnorm


def folded_network() -> nn.Sequential:
    """Two convolutions whose BatchNorm only adds a bias, and a third that was never trained."""
    torch.manual_seed(0)
    layers = []
    for channels in (3, 8, 8):
        layers += [nn.Conv2d(channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    network = nn.Sequential(*layers)
    for number in (1, 4):
        nn.init.normal_(network[number].bias)
    return network.eval()


def test_the_network_computes_the_same_in_eval_mode():
    network = folded_network()
    images = torch.rand(100, 3, 12, 10) * 4 - 1
    before = network(images)
    restore_batchnorm(network, ["1", "4"], images)
    assert torch.allclose(network(images), before, atol=1e-5)
    assert torch.equal(network[7].running_mean, torch.zeros(8))


def test_training_mode_hardly_changes_what_it_computes_of_a_large_batch():
    network = folded_network()
    images = torch.rand(256, 3, 12, 10) * 4 - 1
    before = network[:6](images)
    folded = network[:6].train()(images)
    network = folded_network()
    restore_batchnorm(network, ["1", "4"], images)
    restored = network[:6].train()(images)
    assert torch.allclose(restored, before, atol=1e-2)
    assert not torch.allclose(folded, before, atol=0.1)


def test_statistics_are_those_of_all_images():
    network = folded_network()
    images = torch.rand(150, 3, 12, 10)  # more than one pass
    restore_batchnorm(network, ["1"], images)
    values = network[0](images)
    assert torch.allclose(network[1].running_mean, values.mean(dim=(0, 2, 3)), atol=1e-4)
    assert torch.allclose(network[1].running_var, values.var(dim=(0, 2, 3), unbiased=False), rtol=1e-3)
