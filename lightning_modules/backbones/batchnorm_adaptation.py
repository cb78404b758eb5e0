"""BatchNorm statistics of images from another source, such as another laboratory, in place of those of training.

The statistics of the new images and those of training are averaged by their numbers, as in Schneider et al., Improving
robustness against common corruptions by covariate shift adaptation (2020), equation 1; no label is used.
"""

import torch
from torch import nn

# What the statistics of training count for, in images: of a cell of 46 chromosomes both sides weigh the same.
TRAINING_WEIGHT = 46


def adapt_batchnorm(network: nn.Module, images: torch.Tensor) -> int:
    """Give the BatchNorm layers of a trained network the statistics of images, averaged with those of training.

    Args:
        network: Its layers with running statistics are changed; in eval mode afterwards.
        images: A mixture of all classes like the images to predict, float, shape (N, C, H, W), N > 1.

    Returns:
        The number of layers that were adapted.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats]
    trained = [_statistics(layer) for layer in layers]
    momenta = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.momentum = 1.0  # the statistics become those of the images
        layer.train()
    with torch.no_grad():
        network(images)
        weight = len(images) / (len(images) + TRAINING_WEIGHT)
        for layer, (mean, variance), momentum in zip(layers, trained, momenta, strict=True):
            new_mean, new_variance = _statistics(layer)
            _set(layer, torch.lerp(mean, new_mean, weight), torch.lerp(variance, new_variance, weight))
            layer.momentum = momentum
    network.eval()
    return len(layers)


def _statistics(layer: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    return layer.running_mean.clone(), layer.running_var.clone()


def _set(layer: nn.BatchNorm2d, mean: torch.Tensor, variance: torch.Tensor) -> None:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(variance)
