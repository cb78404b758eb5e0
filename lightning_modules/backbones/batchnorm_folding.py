"""Folds the BatchNorm of a trained network into its convolutions, for prediction: the same figures, within float error.

A convolution and its layout in memory are what a prediction on a CPU takes its time for.
"""

import copy

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn
from torch.nn.utils import fuse_conv_bn_weights

from lightning_modules.backbones.truncation import evaluating, features_of

CLOSE = 1e-4  # largest difference of the features of a folded network, in units of the largest feature


@torch.no_grad()
def fold_batchnorm(network: nn.Module, image: torch.Tensor) -> nn.Module:
    """Return a network without the BatchNorm layers that directly follow a convolution, or the network itself.

    It is the network itself where there is no such layer, or where one could not be left out: where something else
    takes the output of the convolution, too, the features come out otherwise.

    Args:
        network: A backbone of timm, in eval mode; it does not change.
        image: As the network takes it, float, shape (1, C, H, W).
    """
    with evaluating(network):
        folded = copy.deepcopy(network)
        expected = features_of(network, image)
        pairs = _pairs(folded, image)
        names = {module: name for name, module in folded.named_modules()}
        for layer, convolution in pairs.items():
            _fold(convolution, layer)
            after = [layer.drop, layer.act] if isinstance(layer, BatchNormAct2d) else []
            folded.set_submodule(names[layer], nn.Sequential(*after))
        difference = (features_of(folded, image) - expected).abs().max()
    close = bool(difference <= CLOSE * expected.abs().max())
    return folded if pairs and close else network


def _pairs(network: nn.Module, image: torch.Tensor) -> dict[nn.BatchNorm2d, nn.Conv2d]:
    """Return the BatchNorm layers that take the output of a convolution, with it; both are used once."""
    convolutions: list[tuple[nn.Conv2d, torch.Tensor]] = []
    layers: list[tuple[nn.BatchNorm2d, torch.Tensor]] = []
    hooks = []
    for module in network.modules():
        # Of other classes the weights may be something else than what is multiplied.
        if type(module) is nn.Conv2d:
            hooks.append(module.register_forward_hook(lambda made, _, output: convolutions.append((made, output))))
        elif type(module) in (nn.BatchNorm2d, BatchNormAct2d) and module.track_running_stats:
            hooks.append(module.register_forward_pre_hook(lambda layer, inputs: layers.append((layer, inputs[0]))))
    features_of(network, image)
    for hook in hooks:
        hook.remove()
    made_by = {id(output): convolution for convolution, output in convolutions}
    used = [module for module, _ in (*convolutions, *layers)]
    pairs = {}
    for layer, taken in layers:
        convolution = made_by.get(id(taken))
        if convolution is not None and used.count(layer) == used.count(convolution) == 1:
            pairs[layer] = convolution
    return pairs


def _fold(convolution: nn.Conv2d, layer: nn.BatchNorm2d) -> None:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        layer.running_mean,
        layer.running_var,
        layer.eps,
        layer.weight,
        layer.bias,
    )
