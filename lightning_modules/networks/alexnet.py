"""AlexNet as it was in 2012 (Krizhevsky, Sutskever and Hinton, NIPS 2012), as a timm model; paper 002 (3.2) trains it.

Not torchvision's network of that name, which is a later one: 64 filters first, and no normalisation. Shapes of one
image at paper 002's 227x227 pixels, and parameters:

    =====================  ====================================  ============  ==========
    module                 layer                                 output shape  parameters
    =====================  ====================================  ============  ==========
    conv1                  11x11 / 4, no padding (act1: ReLU)    96, 55, 55        34,944
    norm1                  local response normalisation          96, 55, 55
    pool1                  max 3x3 / 2, overlapping              96, 27, 27
    conv2                  5x5, padding 2 (act2: ReLU)           256, 27, 27      614,656
    norm2                  local response normalisation          256, 27, 27
    pool2                  max 3x3 / 2                           256, 13, 13
    conv3                  3x3, padding 1 (act3: ReLU)           384, 13, 13      885,120
    conv4                  3x3, padding 1 (act4: ReLU)           384, 13, 13    1,327,488
    conv5                  3x3, padding 1 (act5: ReLU)           256, 13, 13      884,992
    pool5                  max 3x3 / 2                           256, 6, 6
    pre_logits: dense1     4096 (ReLU, dropout 0.5)              4096          37,752,832
    pre_logits: dense2     4096 (ReLU, dropout 0.5)              4096          16,781,312
    fc                     the classes, here 1000                1000           4,097,000
    in all                                                                     62,378,344
    =====================  ====================================  ============  ==========

The features end with pool5. The network's own ``forward_head`` holds the dense layers; a head list says the same:
``[flatten, {dense: 4096}, {dropout: 0.5}, {dense: 4096}, {dropout: 0.5}]``. Images may have any size from 67 pixels.

From 2012: all of the table (section 3.5; the 227 pixels are what its 55x55 map needs), the normalisation (3.3), the
overlapping pools (3.4), dropout (4.2), pixels of 0 to 255 less a mean (2). Ours: one tower, not one half on each of
two GPUs, since paper 002 (3.2) runs each model on one; one mean per colour, ImageNet's, instead of a mean image; and
Xavier's first weights, TensorFlow's default, since paper 002 names none: those of 2012 want the long training of 2012.
"""

from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn
from torch.nn import functional

from lightning_modules.networks import default_cfg
from lightning_modules.networks.layered_cnn import DenseTopCnn, Layers, conv_act

# Pixel values of 0 to 255, the mean taken off (2012, section 2). The first dense layer is as wide as the image makes
# it, so that timm says img_size.
PIXELS = {"mean": (0.485, 0.456, 0.406), "std": (1 / 255, 1 / 255, 1 / 255), "fixed_input_size": True}

# timm reads this name from the module when the function below is registered, so it comes before it.
default_cfgs = generate_default_cfgs({"alexnet": default_cfg(227, **PIXELS)})


def alexnet_stages(in_chans: int) -> list[Layers]:
    """Make AlexNet's five convolutions, each with its ReLU and, the first two, with normalisation; without pools."""
    return [
        [*conv_act(1, in_chans, 96, 11, stride=4), ("norm1", ResponseNorm())],
        [*conv_act(2, 96, 256, 5, padding=2), ("norm2", ResponseNorm())],
        conv_act(3, 256, 384, 3, padding=1),
        conv_act(4, 384, 384, 3, padding=1),
        conv_act(5, 384, 256, 3, padding=1),
    ]


class ResponseNorm(nn.Module):
    """Local response normalisation (2012, 3.3): n=5, k=2, alpha=1e-4 on the sum of squares, beta=0.75.

    It is torch's ``LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)``, whose average pool takes most of the time of
    AlexNet on a CPU.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise activities (B, C, H, W)."""
        if self.training:
            normalised: torch.Tensor = _TrainedResponseNorm.apply(x)
            return normalised
        return x * _factor(_response(x), x.dtype)  # plain operations, for exported networks


class _TrainedResponseNorm(torch.autograd.Function):
    """The normalisation with a gradient of its own, of fewer passes over memory than torch would derive."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        response = _response(x)
        ctx.save_for_backward(x, response)
        return x * _factor(response, x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        x, response = ctx.saved_tensors
        scaled = gradient * _factor(response, x.dtype)
        shares = scaled * x * response.reciprocal().to(x.dtype)
        return scaled - 1.5 * x * _near_channels(shares)  # 1.5 is twice beta


def _response(x: torch.Tensor) -> torch.Tensor:
    """Return k and the weighted squares of each channel and its two neighbours on both sides, float32 at least."""
    return 2.0 + _near_channels(x * x).to(torch.promote_types(x.dtype, torch.float32))


def _factor(response: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the power -0.75 of a response by roots, which are faster."""
    root = response.rsqrt()
    return (root * root.sqrt()).to(dtype)


def _near_channels(x: torch.Tensor) -> torch.Tensor:
    """Return alpha times the sum over five channels around each, as a convolution of one pixel."""
    channel = torch.arange(x.shape[1], device=x.device)
    window = 1e-4 * ((channel[:, None] - channel).abs() <= 2).to(x.dtype)
    return functional.conv2d(x, window[:, :, None, None])


class AlexNet(DenseTopCnn):
    """AlexNet (2012); see the top of this file and ``DenseTopCnn``."""

    def __init__(self, in_chans: int = 3, img_size: int | tuple[int, int] = 227, **top: Any) -> None:
        layers: Layers = []
        for number, stage in enumerate(alexnet_stages(in_chans), start=1):
            layers += stage
            if number in (1, 2, 5):
                layers.append((f"pool{number}", nn.MaxPool2d(3, stride=2)))
        super().__init__(layers, ("pool1", "pool2", "pool5"), in_chans, img_size, **top)


@register_model
def alexnet(pretrained: bool = False, **kwargs: Any) -> AlexNet:
    """Build AlexNet (2012); timm holds no weights of it."""
    return build_model_with_cfg(AlexNet, "alexnet", pretrained, **kwargs)
