"""A network that a user has built, as the backbone of a classifier."""

import torch
from timm.layers.helpers import to_2tuple
from torch import nn

from karyocyte.common.errors import UserError, first_line
from lightning_modules.backbones.backbone import Backbone
from lightning_modules.backbones.heads import Layout
from lightning_modules.backbones.truncation import ImageSize, evaluating, features_of, random_image

LAYOUTS: dict[int, Layout] = {1: "NC", 2: "NLC", 3: "NCHW"}  # by the number of axes of an image's features


class OwnNetwork(nn.Module):
    """Has what timm's networks have, ``forward_features``: the ``forward`` of a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward_features(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the network gives for images (B, 3, H, W)."""
        features: torch.Tensor = self.network(image)
        return features


def own_backbone(network: nn.Module, size: ImageSize) -> Backbone:
    """Return a network, which keeps its weights, as a backbone for images of a size.

    Raises:
        UserError: It does not take such images, or gives no tensor with a row per image.
    """
    module = OwnNetwork(network)
    try:
        with torch.no_grad(), evaluating(module):
            features = features_of(module, random_image(size))
    except Exception as error:  # each network refuses in its own way
        shape = "1, 3, {}, {}".format(*to_2tuple(size))
        raise UserError(f"the network refuses images ({shape}), see image_size: {first_line(error)}") from error
    if not isinstance(features, torch.Tensor) or features.ndim - 1 not in LAYOUTS:
        given = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__
        wanted = "not a tensor such as (1, classes): wrap it in a module that does"
        raise UserError(f"the network gives {given} for an image, {wanted}")
    return Backbone(module, tuple(features.shape[1:]), LAYOUTS[features.ndim - 1], prefix_tokens=0, removed=())
