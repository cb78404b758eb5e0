"""AlexNet as it was in 2012 (Krizhevsky, Sutskever and Hinton, NIPS 2012), as a timm model; paper 002 (3.2) trains it.

Not torchvision's network of that name, which is a later one: 64 filters first, and no normalisation. Shapes of one
image at paper 002's 227x227 pixels, and parameters of the default and of ``groups=2``:

    =====================  ====================================  ============  ==========  ==========
    module                 layer                                 output shape  parameters  two groups
    =====================  ====================================  ============  ==========  ==========
    conv1                  11x11 / 4, no padding (act1: ReLU)    96, 55, 55        34,944      34,944
    norm1                  local response normalisation          96, 55, 55
    pool1                  max 3x3 / 2, overlapping              96, 27, 27
    conv2                  5x5, padding 2 (act2: ReLU)           256, 27, 27      614,656     307,456
    norm2                  local response normalisation          256, 27, 27
    pool2                  max 3x3 / 2                           256, 13, 13
    conv3                  3x3, padding 1 (act3: ReLU)           384, 13, 13      885,120     885,120
    conv4                  3x3, padding 1 (act4: ReLU)           384, 13, 13    1,327,488     663,936
    conv5                  3x3, padding 1 (act5: ReLU)           256, 13, 13      884,992     442,624
    pool5                  max 3x3 / 2                           256, 6, 6
    pre_logits: dense1     4096 (ReLU, dropout 0.5)              4096          37,752,832  37,752,832
    pre_logits: dense2     4096 (ReLU, dropout 0.5)              4096          16,781,312  16,781,312
    fc                     the classes, here 1000                1000           4,097,000   4,097,000
    in all                                                                     62,378,344  60,965,224
    =====================  ====================================  ============  ==========  ==========

The features end with pool5. The network's own ``forward_head`` holds the dense layers; a head list says the same:
``[flatten, {dense: 4096}, {dropout: 0.5}, {dense: 4096}, {dropout: 0.5}]``. Images may have any size from 67 pixels.

From 2012: all of the table (section 3.5; the 227 pixels are what its 55x55 map needs), the normalisation (3.3), the
overlapping pools (3.4), dropout (4.2), pixels of 0 to 255 less a mean (2). The original was split over two GPUs, so
that conv2, conv4 and conv5 saw one half of the channels each: ``groups=2``. Ours: one tower without groups by default,
since paper 002 (3.2) runs each model on one GPU; one mean per colour, ImageNet's, instead of a mean image; and Xavier's
first weights, TensorFlow's default, since paper 002 names none. Those of 2012 (5) are ``init: gaussian``: they want the
long training of 2012, over a few epochs of little data the loss stays where it was.
"""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

import torch
from timm.layers import to_2tuple
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from common.errors import UserError

# timm reads this name from the module when the function below is registered, so it stands before it.
default_cfgs = generate_default_cfgs(
    {
        "alexnet": {
            "input_size": (3, 227, 227),
            "min_input_size": (3, 67, 67),
            "pool_size": (6, 6),
            "fixed_input_size": True,  # the first dense layer is as wide as the image makes it: timm says img_size
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "mean": (0.485, 0.456, 0.406),
            "std": (1 / 255, 1 / 255, 1 / 255),  # 2012, section 2: pixel values of 0 to 255, the mean taken off
            "first_conv": "conv1",
            "classifier": "fc",
            "license": "apache-2.0",
        }
    }
)

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
        self.num_features, self.head_hidden_size = self.feature_shape[0], units[-1]
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
        return x if pre_logits else self.fc(x)

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
        pooling = self.global_pool if global_pool is None else global_pool
        if pooling not in ("flatten", ""):
            raise UserError(f"model.args.global_pool={pooling}: say flatten; for other pooling, use a head list")
        if num_classes and not pooling:
            raise UserError(f"num_classes={num_classes} with global_pool='': the classifier needs global_pool=flatten")
        self.num_classes, self.global_pool = num_classes, pooling
        place = {"device": self.pre_logits.dense1.weight.device, "dtype": self.pre_logits.dense1.weight.dtype}
        self.fc = nn.Linear(self.head_hidden_size, num_classes, **place) if num_classes else nn.Identity()
        _initialise("fc", self.fc, self.init)


def conv_act(number: int, before: int, channels: int, kernel_size: int, **args: Any) -> list[tuple[str, nn.Module]]:
    """Name a convolution and its ReLU: conv<number>, act<number>; ``args`` go to torch's ``Conv2d``."""
    return [
        (f"conv{number}", nn.Conv2d(before, channels, kernel_size, **args)),
        (f"act{number}", nn.ReLU()),
    ]


def alexnet_stages(in_chans: int, groups: int) -> list[list[tuple[str, nn.Module]]]:
    """Make AlexNet's five convolutions, each with its ReLU and, the first two, with normalisation; without pools.

    Args:
        in_chans: Channels of the image.
        groups: Halves (2) or the whole (1) of the channels that a filter of conv2, conv4 and conv5 sees.

    Returns:
        Five lists of names and layers (2012, section 3.5).

    Raises:
        UserError: Other groups.
    """
    if groups not in (1, 2):
        raise UserError(f"model.args.groups={groups}: say 1 (one tower) or 2 (the two GPUs of 2012)")
    return [
        [*conv_act(1, in_chans, 96, 11, stride=4), ("norm1", _response_norm())],
        [*conv_act(2, 96, 256, 5, padding=2, groups=groups), ("norm2", _response_norm())],
        conv_act(3, 256, 384, 3, padding=1),
        conv_act(4, 384, 384, 3, padding=1, groups=groups),
        conv_act(5, 384, 256, 3, padding=1, groups=groups),
    ]


class AlexNet(DenseTopCnn):
    """AlexNet (2012); see the top of this file. Further arguments are those of :class:`DenseTopCnn`.

    Args:
        groups: 1: each filter sees all channels. 2: conv2, conv4 and conv5 in two halves, as on two GPUs in 2012.
        units: Widths of the dense layers.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        img_size: int | tuple[int, int] = 227,
        groups: int = 1,
        units: Sequence[int] = (4096, 4096),
        drop_rate: float = 0.5,
        global_pool: str = "flatten",
        init: Init = "xavier",
    ) -> None:
        layers = []
        for number, stage in enumerate(alexnet_stages(in_chans, groups), start=1):
            layers += stage + ([(f"pool{number}", nn.MaxPool2d(3, stride=2))] if number in (1, 2, 5) else [])
        taps = ("pool1", "pool2", "pool5")
        super().__init__(layers, taps, units, img_size, num_classes, in_chans, drop_rate, global_pool, init)


def _response_norm() -> nn.LocalResponseNorm:
    # 2012, 3.3: n=5, k=2, alpha=1e-4 on the sum of squares, beta=0.75; torch takes their mean, hence alpha times n.
    return nn.LocalResponseNorm(size=5, alpha=5e-4, beta=0.75, k=2.0)


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
    x, shapes = torch.empty(1, in_chans, *size, device="meta"), {}
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
    reductions, reduction = {}, 1
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


@register_model
def alexnet(pretrained: bool = False, **kwargs: Any) -> AlexNet:
    """Build AlexNet (2012); timm holds no weights of it."""
    return build_model_with_cfg(AlexNet, "alexnet", pretrained, feature_cfg={"out_indices": (0, 1, 2)}, **kwargs)
