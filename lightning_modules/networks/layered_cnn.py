"""What the papers' own networks share: layers one after another, dense layers on top."""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from timm.layers.helpers import to_2tuple
from torch import nn

from karyocyte.common.errors import UserError

Layers = list[tuple[str, nn.Module]]  # names and layers, in the order of their use


def conv_act(number: int, before: int, channels: int, kernel_size: int, **args: Any) -> Layers:
    """Name a convolution and its ReLU: conv<number>, act<number>; ``args`` go to torch's ``Conv2d``."""
    return [(f"conv{number}", nn.Conv2d(before, channels, kernel_size, **args)), (f"act{number}", nn.ReLU())]


class LayeredCnn(nn.Module):
    """Layers one after another, children under their own names, and a classifier ``fc``, as a model of timm.

    Args:
        layers: From the image to the features.
        stages: Names of the layers that end a stage.
        in_chans: Channels of the image.
        img_size: Of the images for which ``feature_shape`` is the shape of the features, in pixels.

    Raises:
        UserError: Images so small that nothing is left of them.
    """

    def __init__(self, layers: Layers, stages: Sequence[str], in_chans: int, img_size: int | tuple[int, int]) -> None:
        super().__init__()
        self.layer_names = [name for name, _ in layers]
        for name, layer in layers:
            self.add_module(name, layer)
        self.feature_info = [{"module": name} for name in stages]  # as timm's networks have it
        self.feature_shape = _feature_shape(layers, in_chans, to_2tuple(img_size))
        self.num_features = self.head_hidden_size = self.feature_shape[0]
        self.num_classes = 0
        self.fc: nn.Module = nn.Identity()

    def forward_features(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W) to the last layer's features; at the size built for, (B, *feature_shape)."""
        x = image
        for name in self.layer_names:
            x = self.get_submodule(name)(x)
        return x

    def forward_head(self, x: torch.Tensor) -> torch.Tensor:
        """Map features (B, *feature_shape) to logits (B, num_classes)."""
        raise NotImplementedError

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W) to logits (B, num_classes)."""
        return self.forward_head(self.forward_features(image))

    def finish(self, num_classes: int) -> None:
        """Add the last layer with ``num_classes`` outputs (0: none) and draw the first weights."""
        self.num_classes = num_classes
        if num_classes:
            self.fc = nn.Linear(self.head_hidden_size, num_classes)
        # The last layer is drawn twice, as it always was: first weights are part of results.
        for module in (self.fc, *self.modules()):
            initialise(module)


def initialise(module: nn.Module) -> None:
    """Draw the first weights of a layer, uniform (Glorot and Bengio 2010), biases of zero; others stay as they are."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        assert module.bias is not None
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class DenseTopCnn(LayeredCnn):
    """Layers, then dense layers with dropout, as wide as the images make them: AlexNet and its kin.

    Further arguments are those of ``LayeredCnn``.

    Args:
        units: Widths of the dense layers before the classifier.
        num_classes: Outputs of the classifier ``fc``; 0 leaves the last dense layer's.
        drop_rate: Dropout after each of the dense layers, 0 to 1.
    """

    def __init__(
        self,
        layers: Layers,
        stages: Sequence[str],
        in_chans: int,
        img_size: int | tuple[int, int],
        *,
        units: Sequence[int] = (4096, 4096),
        num_classes: int = 1000,
        drop_rate: float = 0.5,
    ) -> None:
        super().__init__(layers, stages, in_chans, img_size)
        dense: OrderedDict[str, nn.Module] = OrderedDict(flatten1=nn.Flatten())
        width = torch.Size(self.feature_shape).numel()
        for number, outputs in enumerate(units, start=1):
            dense[f"dense{number}"] = nn.Linear(width, outputs)
            dense[f"relu{number}"] = nn.ReLU()
            dense[f"dropout{number}"] = nn.Dropout(drop_rate)
            width = outputs
        self.pre_logits = nn.Sequential(dense)
        self.head_hidden_size = width
        self.finish(num_classes)

    def forward_head(self, x: torch.Tensor) -> torch.Tensor:
        """Map features (B, *feature_shape) to logits (B, num_classes)."""
        logits: torch.Tensor = self.fc(self.pre_logits(x))
        return logits


def _feature_shape(layers: Layers, in_chans: int, size: tuple[int, int]) -> tuple[int, ...]:
    """Ask torch for the shape of the features, on its device that computes no numbers."""
    x = torch.empty(1, in_chans, *size, device="meta")
    for name, layer in layers:
        try:
            x = copy.deepcopy(layer).to("meta")(x)
        except RuntimeError as error:  # torch: the output size is too small
            height, width = size
            raise UserError(
                f"img_size={height}x{width}: nothing is left of such images in {name}: take a larger prepare.size"
            ) from error
    return tuple(x.shape[1:])
