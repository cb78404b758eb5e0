"""BatchNorm statistics of images from another source, such as another laboratory, in place of those of training.

The statistics of the new images and those of training are averaged by their numbers, as in Schneider et al., Improving
robustness against common corruptions by covariate shift adaptation (2020), equation 1; no label is used.
"""

import numpy as np
import torch
from torch import nn

from lightning_modules.backbones.orientation import turn_half
from lightning_modules.modules.image_network import ClassifierNetwork

# What the statistics of training count for, in images: of a cell of 46 chromosomes both sides weigh the same.
TRAINING_WEIGHT = 46


def adapt_to_images(classifier: ClassifierNetwork, images: np.ndarray) -> int:
    """Adapt a trained backbone to images of another source; return the number of layers that were adapted.

    The images are prepared like those to predict, of all classes, uint8, shape (N, H, W, C), N > 1. With orientation
    every second one is turned, as in training.
    """
    image = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(classifier.mean.device).float() / 255
    if classifier.orientation:
        image, _ = turn_half(image, torch.arange(len(image), device=image.device), epoch=0)
    return adapt_batchnorm(classifier.backbone, classifier.normalised(image))


@torch.no_grad()
def adapt_batchnorm(network: nn.Module, images: torch.Tensor) -> int:
    """Give the BatchNorm layers of a network the statistics of images (N, C, H, W), averaged with those of training.

    The network is in eval mode afterwards. Returned is the number of layers that were adapted.
    """
    network.eval()
    trained = {}
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats:
            trained[layer] = _copy(layer, "running_mean"), _copy(layer, "running_var"), layer.momentum
            layer.momentum = 1.0  # the statistics become those of the images
            layer.train()
    network(images)
    weight = len(images) / (len(images) + TRAINING_WEIGHT)
    for layer, (mean, variance, momentum) in trained.items():
        layer.running_mean = torch.lerp(mean, _copy(layer, "running_mean"), weight)
        layer.running_var = torch.lerp(variance, _copy(layer, "running_var"), weight)
        layer.momentum = momentum
    network.eval()
    return len(trained)


def _copy(layer: nn.Module, buffer: str) -> torch.Tensor:
    return layer.get_buffer(buffer).clone()
