"""What the papers' own networks share: layers one after another, timm's model contract, dense layers on top."""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from timm.layers.helpers import to_2tuple
from torch import nn

from common.errors import UserError

Layers = list[tuple[str, nn.Module]]  # names and layers, in the order of their use


def default_cfg(size: int, least: int, pooled: int, **own: Any) -> dict[str, Any]:
    """Return timm's facts about a network for square images of ``size`` pixels; ``own`` overrides or adds some.

    It takes images from ``least`` pixels; of those of the paper's size, the features have the side ``pooled``.
    """
    return {
        "input_size": (3, size, size),
        "min_input_size": (3, least, least),
        "pool_size": (pooled, pooled),
        "interpolation": "bilinear",
        "crop_pct": 1.0,
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        "first_conv": "conv1",
        "classifier": "fc",
        "license": "apache-2.0",
        **own,
    }


def conv_act(number: int, before: int, channels: int, kernel_size: int, **args: Any) -> Layers:
    """Name a convolution and its ReLU: conv<number>, act<number>; ``args`` go to torch's ``Conv2d``."""
    return [(f"conv{number}", nn.Conv2d(before, channels, kernel_size, **args)), (f"act{number}", nn.ReLU())]


class LayeredCnn(nn.Module):
    """Layers one after another, children under their own names, and a classifier ``fc``; keeps timm's model contract.

    Args:
        layers: From the image to the features.
        taps: Names of the layers that timm's ``features_only`` offers; the last layer is the last tap.
        in_chans: Channels of the image.
        img_size: Of the images for which ``feature_shape`` is the shape of the features, in pixels.

    Raises:
        UserError: Images so small that nothing is left of them.
    """

    def __init__(self, layers: Layers, taps: Sequence[str], in_chans: int, img_size: int | tuple[int, int]) -> None:
        super().__init__()
        self.layer_names = [name for name, _ in layers]
        for name, layer in layers:
            self.add_module(name, layer)
        self.img_size: tuple[int, int] = to_2tuple(img_size)
        shapes = _shapes(layers, in_chans, self.img_size)
        # The product of the strides: image pixels from one value of the features to the next.
        strides = [to_2tuple(getattr(layer, "stride", 1))[0] for _, layer in layers]
        reductions = dict(zip(self.layer_names, np.cumprod(strides).tolist(), strict=True))
        self.feature_info = [
            {"num_chs": shapes[name][0], "reduction": reductions[name], "module": name} for name in taps
        ]
        self.feature_shape = shapes[self.layer_names[-1]]
        self.num_features = self.head_hidden_size = self.feature_shape[0]
        self.num_classes = 0
        self.fc: nn.Module = nn.Identity()

    def forward_features(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W) to the last layer's features; at the size built for, (B, *feature_shape)."""
        x = image
        for name in self.layer_names:
            x = self.get_submodule(name)(x)
        return x

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Map features (B, *feature_shape) to logits (B, num_classes), or to what ``fc`` takes with ``pre_logits``."""
        raise NotImplementedError

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W) to logits (B, num_classes)."""
        return self.forward_head(self.forward_features(image))

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.fc

    def set_classifier(self, num_classes: int) -> None:
        """Put a fresh last layer with ``num_classes`` outputs (0: none), in the precision of the network."""
        like = next(self.parameters())
        self.num_classes = num_classes
        self.fc = nn.Identity()
        if num_classes:
            self.fc = nn.Linear(self.head_hidden_size, num_classes, device=like.device, dtype=like.dtype)
        initialise(self.fc)


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
        global_pool: "flatten", or "" for features that skip the dense layers (without classifier only).
    """

    def __init__(
        self,
        layers: Layers,
        taps: Sequence[str],
        in_chans: int,
        img_size: int | tuple[int, int],
        *,
        units: Sequence[int] = (4096, 4096),
        num_classes: int = 1000,
        drop_rate: float = 0.5,
        global_pool: str = "flatten",
    ) -> None:
        super().__init__(layers, taps, in_chans, img_size)
        dense: OrderedDict[str, nn.Module] = OrderedDict(flatten1=nn.Flatten())
        width = torch.Size(self.feature_shape).numel()
        for number, outputs in enumerate(units, start=1):
            dense[f"dense{number}"] = nn.Linear(width, outputs)
            dense[f"relu{number}"] = nn.ReLU()
            dense[f"dropout{number}"] = nn.Dropout(drop_rate)
            width = outputs
        self.pre_logits = nn.Sequential(dense)
        self.head_hidden_size = width
        self.reset_classifier(num_classes, global_pool)
        for module in self.modules():
            initialise(module)

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Map features (B, *feature_shape) to logits (B, num_classes); with ``pre_logits``, to the last dense layer's.

        Raises:
            UserError: The features are of images of another size than the network was built for.
        """
        if self.global_pool:
            if tuple(x.shape[1:]) != self.feature_shape:
                height, width = self.img_size
                raise UserError(
                    f"features of shape {tuple(x.shape[1:])}, but the network was built for {self.feature_shape}, "
                    f"images of {height}x{width} px: give the size of yours as img_size"
                )
            x = self.pre_logits(x)
        return x if pre_logits else self.fc(x)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a fresh last layer with ``num_classes`` outputs (0: none).

        Args:
            num_classes: How many outputs.
            global_pool: "flatten", or "" to skip the dense layers; None leaves what was.

        Raises:
            UserError: Another word, or a classifier on features that skip the dense layers.
        """
        if global_pool not in ("flatten", "", None):
            raise UserError(f"model.args.global_pool={global_pool}: say flatten; for other pooling, use a head list")
        if global_pool is not None:
            self.global_pool = global_pool
        if num_classes and not self.global_pool:
            raise UserError(f"num_classes={num_classes} with global_pool='': the classifier needs global_pool=flatten")
        self.set_classifier(num_classes)


def _shapes(layers: Layers, in_chans: int, size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Ask torch for each layer's output shape, on its device that computes no numbers."""
    x = torch.empty(1, in_chans, *size, device="meta")
    shapes = {}
    for name, layer in layers:
        try:
            x = copy.deepcopy(layer).to("meta")(x)
        except RuntimeError as error:  # torch: the output size is too small
            height, width = size
            raise UserError(
                f"img_size={height}x{width}: nothing is left of such images in {name}: take a larger prepare.size"
            ) from error
        shapes[name] = tuple(x.shape[1:])
    return shapes
