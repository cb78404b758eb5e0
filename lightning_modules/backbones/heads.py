"""Heads: the layers between the features of a backbone and the logits, from a short list in YAML."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Literal

import torch
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.layers.pool1d import global_pool_nlc
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.networks.keras_batchnorm import EPS, MOMENTUM

Layout = Literal["NCHW", "NHWC", "NLC", "NC"]
Shape = tuple[int, ...]
# How each word of a head is written.
EXAMPLES = {"gap": "gap", "token": "token", "flatten": "flatten", "batchnorm": "batchnorm"}
EXAMPLES |= {"dense": "{dense: 256}", "dropout": "{dropout: 0.5}"}


class TokenPool(nn.Module):
    """One vector of the tokens of a vision transformer: (B, tokens, C) -> (B, C).

    Of ``kind`` "token" its class token, the first; of "avg" the mean over the patch tokens, without ``prefix_tokens``.
    """

    def __init__(self, kind: Literal["token", "avg"], prefix_tokens: int) -> None:
        super().__init__()
        self.kind = kind
        self.prefix_tokens = prefix_tokens

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the vectors, (B, C), of tokens (B, tokens, C)."""
        pooled: torch.Tensor = global_pool_nlc(x, pool_type=self.kind, num_prefix_tokens=self.prefix_tokens)
        return pooled


# Layers that a head may begin with: they have no weights, and draw nothing.
FIXED_LAYERS = (SelectAdaptivePool2d, TokenPool, nn.Flatten)


def count_fixed_layers(head: Sequence[nn.Module]) -> int:
    """Return with how many layers a head begins that have no weights and draw nothing."""
    return len(list(takewhile(lambda layer: isinstance(layer, FIXED_LAYERS), head)))


def head_layers(head: nn.Module) -> list[nn.Module]:
    """Return the layers of a head, in their order."""
    return list(head.children()) or [head]


def build_head(
    layers: Sequence[str | dict[str, Any]],
    in_shape: Shape,
    logits: int,
    layout: Layout = "NCHW",
    prefix_tokens: int = 0,
) -> nn.Sequential:
    """Build a head: features (B, *in_shape) -> (B, logits); its modules are gap1, dense1, relu1, ..., logits.

    Args:
        layers: In their order: ``gap`` (global average pooling), ``token`` (the class token of a vision transformer),
            ``flatten``, ``batchnorm``, ``{dense: 256}`` (with ReLU), ``{dropout: 0.5}``. The last one, to ``logits``,
            is implied.
        in_shape: Shape of one image's features; ``layout`` says what their axes are.
        logits: Number of outputs, at least 1.
        layout: The axes of the features.
        prefix_tokens: Tokens that gap leaves out.

    Raises:
        UserError: An unknown word, a wrong value, or layers whose shapes do not fit.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    counts: Counter[str] = Counter()
    shape = tuple(in_shape)
    for layer in layers:
        word, value = _word_and_value(layer)
        # Names are counted per word (dense1, dense2): the keys of saved weights are made of them.
        counts[word] += 1
        name = f"{word}{counts[word]}"
        if word == "token":
            if layout != "NLC" or not prefix_tokens or len(shape) == 1:
                raise UserError("head.layers: token: the features have no class token: say gap, or leave it out")
            modules[name] = TokenPool("token", prefix_tokens)
            shape = shape[1:]
        elif word in ("gap", "flatten"):
            if len(shape) == 1:
                raise UserError(f"head.layers: {word}: the features are already a vector of {shape[0]}: leave it out")
            modules[name] = nn.Flatten() if word == "flatten" else _pool(layout, prefix_tokens)
            # Pooling keeps one number per channel, flattening all of them.
            channels = shape[0 if layout == "NCHW" else -1]
            shape = (torch.Size(shape).numel() if word == "flatten" else channels,)
        elif word == "batchnorm":
            modules[name] = _batchnorm(shape, layout)
        elif word == "dense":
            modules[name] = _linear(shape, value, before="dense")
            modules[f"relu{counts[word]}"] = nn.ReLU()
            shape = (value,)
        else:
            modules[name] = nn.Dropout(value)
    modules["logits"] = _linear(shape, logits, before="the logits")
    return nn.Sequential(modules)


def _word_and_value(layer: str | dict[str, Any]) -> tuple[str, Any]:
    """Return the word of an entry of ``head.layers`` and its value, both checked; None where it takes no value."""
    word: Any = layer
    value: Any = None
    if isinstance(layer, dict) and len(layer) == 1:
        ((word, value),) = layer.items()
    if str(word) not in EXAMPLES:
        raise UserError(f"head.layers: {layer!r} is no layer; the layers are {', '.join(EXAMPLES.values())}")
    if isinstance(layer, dict) != ("{" in EXAMPLES[word]):
        raise UserError(f"head.layers: {word}: write {EXAMPLES[word]}")
    # By its type, since true would count as the number 1.
    if word == "dense" and (type(value) is not int or value < 1):
        raise UserError(f"head.layers: dense: {value!r} must be a whole number of units, at least 1")
    if word == "dropout" and (type(value) not in (int, float) or not 0 <= value < 1):
        raise UserError(f"head.layers: dropout: {value!r} must be a probability from 0 to below 1")
    return word, value


def _pool(layout: Layout, prefix_tokens: int) -> nn.Module:
    if layout == "NLC":
        return TokenPool("avg", prefix_tokens)
    return SelectAdaptivePool2d(pool_type="avg", flatten=True, input_fmt=layout)


def _batchnorm(shape: Shape, layout: Layout) -> nn.Module:
    if len(shape) == 1:
        return nn.BatchNorm1d(shape[0], eps=EPS, momentum=MOMENTUM)
    if layout == "NCHW":
        return nn.BatchNorm2d(shape[0], eps=EPS, momentum=MOMENTUM)
    raise UserError(f"head.layers: batchnorm on features of layout {layout}: put gap or flatten first")


def _linear(shape: Shape, after: int, before: str) -> nn.Linear:
    if len(shape) != 1:
        raise UserError(f"head.layers: features of shape {shape} before {before}: put gap or flatten first")
    # ours: the papers name no initialisation; this is the default of Keras, in which 001 and 004 were written.
    linear = nn.Linear(shape[0], after)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
