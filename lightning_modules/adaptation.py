"""BatchNorm statistics of a classifier: of images of another source, and restored where weights have them folded."""

import numpy as np
import torch

from lightning_modules.backbones.batchnorm_adaptation import adapt_batchnorm
from lightning_modules.backbones.batchnorm_restoration import restore_batchnorm
from lightning_modules.classifier import Classifier
from lightning_modules.orientation import turn_half


def adapt_to_images(classifier: Classifier, images: np.ndarray) -> int:
    """Adapt a trained backbone to images of another source; see `batchnorm_adaptation`.

    Args:
        classifier: With orientation every second image is turned, as in training.
        images: Prepared like the images to predict, of all classes, uint8, shape (N, H, W, C), N > 1.

    Returns:
        The number of layers that were adapted.
    """
    image = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(classifier.device).float() / 255
    if classifier.orientation:
        image, _ = turn_half(image, torch.arange(len(image), device=image.device), epoch=0)
    return adapt_batchnorm(classifier.backbone, (image - classifier.mean) / classifier.std)


def restore_folded(classifier: Classifier, image: torch.Tensor) -> None:
    """Let BatchNorm train that a weights file has folded into its convolutions; see `batchnorm_restoration`.

    Args:
        classifier: Its ``folded_batchnorm`` names the layers.
        image: Training images, float in [0, 1], shape (N, C, H, W).
    """
    restore_batchnorm(classifier.backbone, classifier.folded_batchnorm, (image - classifier.mean) / classifier.std)
