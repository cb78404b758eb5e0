"""InceptionV3 (Szegedy et al. 2015) as in Keras, as a timm model; paper 001 trains it.

It is timm's ``inception_v3`` but for the average pools of its blocks: at the border of the map Keras takes the mean of
the values inside, timm also of the zeros around it. BatchNorm is that of Keras; parameters and names are the same.
"""

from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.inception_v3 import InceptionV3
from torch import nn
from torch.nn import functional

from lightning_modules.networks import default_cfg
from lightning_modules.networks.keras_batchnorm import set_keras_batchnorm

default_cfgs = generate_default_cfgs(
    {"inception_v3_keras": default_cfg(299, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))}
)


@register_model
def inception_v3_keras(pretrained: bool = False, **kwargs: Any) -> InceptionV3:
    """Build InceptionV3 with average pools that leave out the padding; the arguments are those of timm's."""
    network: InceptionV3 = build_model_with_cfg(InceptionV3, "inception_v3_keras", pretrained, **kwargs)
    set_keras_batchnorm(network)
    for name, module in network.named_modules():
        if name.endswith(".branch_pool"):  # the convolution behind the pool, which timm calls as a function
            module.register_forward_pre_hook(_without_padding)
    return network


def _without_padding(_convolution: nn.Module, pooled: tuple[torch.Tensor]) -> torch.Tensor:
    """Turn means over 3 x 3 values, zeros of the padding among them, into means over those inside the map."""
    ones = torch.ones_like(pooled[0][:1, :1])
    inside = functional.avg_pool2d(ones, kernel_size=3, stride=1, padding=1)
    return pooled[0] / inside
