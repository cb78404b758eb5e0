"""Heads: the layers between the features of a backbone and the logits, from a short list in YAML."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.layers.pool1d import global_pool_nlc
from torch import nn

from common.errors import UserError

Layout = Literal["NCHW", "NHWC", "NLC", "NC"]
WORDS = "gap, flatten, batchnorm, {dense: units}, {dropout: probability}"


class TokenPool(nn.Module):
    """The mean over the patch tokens of a vision transformer: (B, tokens, C) -> (B, C).

    Args:
        prefix_tokens: Class and register tokens before the patch tokens; they are left out.
    """

    def __init__(self, prefix_tokens: int) -> None:
        super().__init__()
        self.prefix_tokens = prefix_tokens

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean, (B, C), of tokens (B, tokens, C)."""
        pooled: torch.Tensor = global_pool_nlc(x, pool_type="avg", num_prefix_tokens=self.prefix_tokens)
        return pooled


def is_pool(layer: nn.Module | None) -> bool:
    """Tell whether a layer of a head is what ``gap`` became."""
    return isinstance(layer, TokenPool | SelectAdaptivePool2d)


def pooled_positions(pool: nn.Module, features: torch.Tensor) -> torch.Tensor:
    """Arrange features as what ``gap`` takes the mean of.

    Args:
        pool: The module that ``gap`` became.
        features: Of the layout that it was built for, any type, shape (B, ...).

    Returns:
        Shape (B, positions, C): the mean over the positions is ``pool(features)``.
    """
    if isinstance(pool, TokenPool):
        return features[:, pool.prefix_tokens :]
    channels_last = getattr(pool.pool, "dim", None) == (1, 2)  # timm's pooling of NHWC says over which axes it goes
    if channels_last:
        return features.flatten(1, 2)
    return features.flatten(2).transpose(1, 2)


def build_head(
    layers: Sequence[str | dict[str, Any]],
    in_shape: tuple[int, ...],
    logits: int,
    layout: Layout = "NCHW",
    prefix_tokens: int = 0,
) -> nn.Sequential:
    """Build a head; the last layer, from the last width to ``logits``, is implied.

    Args:
        layers: In their order: ``gap`` (global average pooling), ``flatten``, ``batchnorm``, ``{dense: 256}`` (with
            ReLU), ``{dropout: 0.5}``. Dropout and batchnorm may also stand before the pooling.
        in_shape: Shape of one image's features, as :class:`lightning_modules.backbones.backbone.Backbone` says it.
        logits: How many outputs, at least 1.
        layout: What the axes of the features mean, likewise.
        prefix_tokens: Tokens that gap leaves out, likewise.

    Returns:
        A network: features (B, *in_shape) -> logits (B, logits); its modules are gap1, dense1, relu1, ..., logits.

    Raises:
        UserError: An unknown word, a wrong value, or layers whose shapes do not fit.
    """
    builder = _HeadBuilder(in_shape, layout, prefix_tokens)
    for layer in layers:
        builder.add(*_word_and_value(layer))
    width = builder.width("the logits")
    return nn.Sequential(OrderedDict([*builder.modules, ("logits", _linear(width, logits))]))


class _HeadBuilder:
    """Keeps the shape of the features while layers are added."""

    def __init__(self, in_shape: tuple[int, ...], layout: Layout, prefix_tokens: int) -> None:
        self.shape, self.layout, self.prefix_tokens = tuple(in_shape), layout, prefix_tokens
        self.modules: list[tuple[str, nn.Module]] = []
        self.seen: Counter[str] = Counter()

    def add(self, word: str, value: Any) -> None:
        adders: dict[str, Callable[[Any], None]] = {
            "gap": self._gap,
            "flatten": self._flatten,
            "batchnorm": self._batchnorm,
            "dense": self._dense,
            "dropout": self._dropout,
        }
        adders[word](value)

    def width(self, before: str) -> int:
        if len(self.shape) != 1:
            raise UserError(f"head.layers: features of shape {self.shape} before {before}: put gap or flatten first")
        return self.shape[0]

    def _append(self, word: str, module: nn.Module) -> None:
        self.seen[word] += 1
        self.modules.append((f"{word}{self.seen[word]}", module))

    def _gap(self, _: None) -> None:
        self._refuse_vector("gap")
        if self.layout == "NLC":
            self._append("gap", TokenPool(self.prefix_tokens))
        else:
            self._append("gap", SelectAdaptivePool2d(pool_type="avg", flatten=True, input_fmt=self.layout))
        self.shape = (self.shape[0 if self.layout == "NCHW" else -1],)

    def _flatten(self, _: None) -> None:
        self._refuse_vector("flatten")
        self._append("flatten", nn.Flatten())
        self.shape = (int(torch.Size(self.shape).numel()),)

    def _batchnorm(self, _: None) -> None:
        if len(self.shape) == 1:
            self._append("batchnorm", nn.BatchNorm1d(self.shape[0]))
        elif self.layout == "NCHW":
            self._append("batchnorm", nn.BatchNorm2d(self.shape[0]))
        else:
            raise UserError(f"head.layers: batchnorm on features of layout {self.layout}: put gap or flatten first")

    def _dense(self, units: Any) -> None:
        if isinstance(units, bool) or not isinstance(units, int) or units < 1:
            raise UserError(f"head.layers: dense: {units!r} must be a whole number of units, at least 1")
        self._append("dense", _linear(self.width("dense"), units))
        self._append("relu", nn.ReLU())
        self.shape = (units,)

    def _dropout(self, probability: Any) -> None:
        if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability < 1:
            raise UserError(f"head.layers: dropout: {probability!r} must be a probability from 0 to below 1")
        self._append("dropout", nn.Dropout(probability))

    def _refuse_vector(self, word: str) -> None:
        if len(self.shape) == 1:
            raise UserError(f"head.layers: {word}: the features are already a vector of {self.shape[0]}: leave it out")


def _word_and_value(layer: str | dict[str, Any]) -> tuple[str, Any]:
    word: Any = layer
    value = None
    valued = isinstance(layer, dict) and len(layer) == 1
    if isinstance(layer, dict) and len(layer) == 1:
        word, value = next(iter(layer.items()))
    if valued and word in ("gap", "flatten", "batchnorm"):
        raise UserError(f"head.layers: {word}: takes no value, write {word} alone")
    if not valued and word in ("dense", "dropout"):
        raise UserError(f"head.layers: {word}: needs a value, such as {{{word}: {256 if word == 'dense' else 0.5}}}")
    if not isinstance(word, str) or word not in ("gap", "flatten", "batchnorm", "dense", "dropout"):
        raise UserError(f"head.layers: {layer!r} is no layer; the layers are {WORDS}")
    return word, value


def _linear(before: int, after: int) -> nn.Linear:
    # ours: the papers name no initialisation; this is the default of Keras, in which 001 and 004 were written.
    linear = nn.Linear(before, after)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
