"""What the networks of papers 002 and 003 share: convolutions and pools, then dense layers as wide as images need."""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

import torch
from timm.layers import to_2tuple
from torch import nn

from common.errors import UserError

Init = Literal["gaussian", "xavier"]


LARGEST_LEAST = 256  # px; each of these networks takes smaller images than that


# 2012, section 5: a bias of one, so that ReLU lets gradients through from the start; zero elsewhere. conv6 is ours.
BIASES_OF_ONE = ("conv2", "conv4", "conv5", "conv6", "pre_logits.dense1", "pre_logits.dense2")


class DenseTopCnn(nn.Module):
    """Named layers one after another, then dense layers with dropout: what AlexNet and its kin have in common.

    Keeps timm's model contract. The layers are children under their own names, in the order of their use.

    Args:
        layers: Names and layers from the image to the features.
        taps: Names of the layers that timm's ``features_only`` offers; the last layer is the last tap.
        units: Widths of the dense layers before the classifier.
        img_size: Height and width of the images in pixels, or the side of square ones.
        num_classes: Outputs of the classifier ``fc``; 0 leaves the last dense layer's.
        in_chans: Channels of the image.
        drop_rate: Dropout after each of the dense layers, 0 to 1.
        global_pool: "flatten", or "" for features that skip the dense layers (without classifier only).
        init: First weights. "xavier": uniform (Glorot and Bengio 2010), and biases of zero. "gaussian": AlexNet's own,
            normal with standard deviation 0.01, and biases of zero or one (2012, section 5).

    Raises:
        UserError: A wrong value, or images so small that nothing is left of them.
    """

    def __init__(
        self,
        layers: Sequence[tuple[str, nn.Module]],
        taps: Sequence[str],
        units: Sequence[int],
        img_size: int | tuple[int, int],
        num_classes: int,
        in_chans: int,
        drop_rate: float,
        global_pool: str,
        init: Init,
    ) -> None:
        super().__init__()
        if init not in ("gaussian", "xavier"):
            raise UserError(f"model.args.init={init}: say gaussian or xavier")
        self.init = init
        self.layer_names = tuple(name for name, _ in layers)
        for name, layer in layers:
            self.add_module(name, layer)
        self.img_size = to_2tuple(img_size)
        shapes = _shapes(layers, in_chans, self.img_size)
        reductions = _reductions(layers)
        self.feature_info = [
            {"num_chs": shapes[name][0], "reduction": reductions[name], "module": name} for name in taps
        ]
        self.feature_shape = shapes[self.layer_names[-1]]
        self.num_features = self.feature_shape[0]
        self.head_hidden_size = units[-1]
        self.pre_logits = _dense_layers(int(torch.Size(self.feature_shape).numel()), units, drop_rate)
        self.reset_classifier(num_classes, global_pool)
        for name, module in self.named_modules():
            _initialise(name, module, init)

    def forward_features(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W) to the last layer's features; at the size built for, (B, *feature_shape)."""
        x = image
        for name in self.layer_names:
            x = self.get_submodule(name)(x)
        return x

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
        if pre_logits:
            return x
        return self.fc(x)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W), H and W as ``img_size`` says, to logits (B, num_classes)."""
        return self.forward_head(self.forward_features(image))

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a fresh last layer with ``num_classes`` outputs (0: none).

        Args:
            num_classes: How many outputs.
            global_pool: "flatten", or "" to skip the dense layers; None leaves what was.

        Raises:
            UserError: Another word, or a classifier on features that skip the dense layers.
        """
        if global_pool is None:
            pooling = self.global_pool
        else:
            pooling = global_pool
        if pooling not in ("flatten", ""):
            raise UserError(f"model.args.global_pool={pooling}: say flatten; for other pooling, use a head list")
        if num_classes and not pooling:
            raise UserError(f"num_classes={num_classes} with global_pool='': the classifier needs global_pool=flatten")
        self.num_classes = num_classes
        self.global_pool = pooling
        place = {"device": self.pre_logits.dense1.weight.device, "dtype": self.pre_logits.dense1.weight.dtype}
        if num_classes:
            self.fc = nn.Linear(self.head_hidden_size, num_classes, **place)
        else:
            self.fc = nn.Identity()
        _initialise("fc", self.fc, self.init)


def conv_act(number: int, before: int, channels: int, kernel_size: int, **args: Any) -> list[tuple[str, nn.Module]]:
    """Name a convolution and its ReLU: conv<number>, act<number>; ``args`` go to torch's ``Conv2d``."""
    return [
        (f"conv{number}", nn.Conv2d(before, channels, kernel_size, **args)),
        (f"act{number}", nn.ReLU()),
    ]


def _dense_layers(before: int, units: Sequence[int], drop_rate: float) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten1=nn.Flatten())
    for number, (inputs, outputs) in enumerate(zip([before, *units], units, strict=False), start=1):
        layers[f"dense{number}"] = nn.Linear(inputs, outputs)
        layers[f"relu{number}"] = nn.ReLU()
        layers[f"dropout{number}"] = nn.Dropout(drop_rate)
    return nn.Sequential(layers)


def _shapes(
    layers: Sequence[tuple[str, nn.Module]], in_chans: int, size: tuple[int, int]
) -> dict[str, tuple[int, ...]]:
    """Ask torch for each layer's output shape, on its device that computes no numbers."""
    probes = [(name, copy.deepcopy(layer).to("meta")) for name, layer in layers]
    try:
        return _probe(probes, in_chans, size)
    except RuntimeError as error:
        least = next((side for side in range(min(size) + 1, LARGEST_LEAST) if _fits(probes, in_chans, side)), None)
        if least is None:  # the size is not what torch refuses
            raise
        height, width = size
        raise UserError(
            f"img_size={height}x{width}: nothing is left of such images after the pools: "
            f"take prepare.size={least} or more"
        ) from error


def _probe(probes: Sequence[tuple[str, nn.Module]], in_chans: int, size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    x = torch.empty(1, in_chans, *size, device="meta")
    shapes = {}
    for name, layer in probes:
        x = layer(x)
        shapes[name] = tuple(x.shape[1:])
    return shapes


def _fits(probes: Sequence[tuple[str, nn.Module]], in_chans: int, side: int) -> bool:
    try:
        return bool(_probe(probes, in_chans, (side, side)))
    except RuntimeError:  # torch: the output size is too small
        return False


def _reductions(layers: Sequence[tuple[str, nn.Module]]) -> dict[str, int]:
    """Multiply up the strides: image pixels from one value to the next, after each layer."""
    reductions = {}
    reduction = 1
    for name, layer in layers:
        reduction *= to_2tuple(getattr(layer, "stride", 1))[0]
        reductions[name] = reduction
    return reductions


def _initialise(name: str, module: nn.Module, init: Init) -> None:
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return
    if init == "xavier":
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    else:
        nn.init.normal_(module.weight, std=0.01)
        nn.init.constant_(module.bias, 1.0 if name in BIASES_OF_ONE else 0.0)
