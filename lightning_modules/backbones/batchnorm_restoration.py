"""Restores BatchNorm that was folded into the convolutions of a weights file, so that it can train."""

from collections.abc import Sequence

import torch
from torch import nn

# Images of a pass; as many as a usual batch, so that a network of many channels needs no more memory than in training.
BATCH = 64


@torch.no_grad()
def restore_batchnorm(network: nn.Module, names: Sequence[str], images: torch.Tensor) -> None:
    """Give BatchNorm layers the statistics of images; what the network computes in eval mode stays the same.

    A folded layer has mean 0 and variance 1 and only adds its bias. In training mode it would divide by the deviation
    of each batch, and so undo what the convolution before it learned. Here its weight takes up the deviation and its
    bias the mean.

    Args:
        network: Called with images; in eval mode afterwards.
        names: Of the layers, as ``network.named_modules`` has them.
        images: As the network takes them, float, shape (N, C, H, W), N > 0.
    """
    sums: dict[nn.Module, list[torch.Tensor]] = {}

    def collect(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Add up what a layer takes, by channel."""
        values = inputs[0].float().transpose(0, 1).flatten(1)
        count = torch.full((len(values),), float(values.shape[1]))
        sums[layer].append(torch.stack([count, values.sum(1), values.square().sum(1)]))

    hooks = []
    for layer in map(network.get_submodule, names):
        sums[layer] = []
        hooks.append(layer.register_forward_pre_hook(collect))
    network.eval()
    for batch in torch.split(images, BATCH):
        network(batch)
    for hook in hooks:
        hook.remove()
    for layer, collected in sums.items():
        count, total, squares = torch.stack(collected).sum(0)
        mean = total / count
        _set_statistics(layer, mean, (squares / count - mean.square()).clamp(min=0.0))


def _set_statistics(layer: nn.Module, mean: torch.Tensor, variance: torch.Tensor) -> None:
    """Set running mean and variance; adjust weight and bias so that the layer computes the same."""
    assert isinstance(layer, nn.BatchNorm2d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    factor = layer.weight / torch.sqrt(layer.running_var + layer.eps)
    layer.bias.copy_(layer.bias + factor * (mean - layer.running_mean))
    layer.weight.copy_(factor * torch.sqrt(variance + layer.eps))
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(variance)
