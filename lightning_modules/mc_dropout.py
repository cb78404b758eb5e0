"""Masks of Monte Carlo dropout: pure functions of (seed, layer, pass), the same for every image."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from common.cli import warn
from common.errors import UserError
from common.seeds import derive_seed
from lightning_modules.backbones.heads import is_pool, pooled_positions
from lightning_modules.backbones.truncation import ImageSize, evaluating, random_image
from lightning_modules.classifier import Classifier
from lightning_modules.compat import is_dropout

# Bytes of one dropout's masks that stay in memory from batch to batch. The first dropout of paper 001's head sees
# 512 x 13 x 13 values on a VGG16 at 416 pixels: its 100 masks take 35 MB in float32.
KEPT_BYTES = 2**28


def draw_masks(seed: int, layer: int, passes: range, shape: Sequence[int], rate: float) -> torch.Tensor:
    """Draw which values each pass keeps.

    Args:
        seed: The run's.
        layer: Number of the dropout within its network.
        passes: Numbers of the passes; the mask of a pass does not depend on which others are drawn with it.
        shape: Of what one image brings to the dropout.
        rate: Probability that a value is dropped, 0 to below 1.

    Returns:
        True where a value is kept, bool, shape (passes, *shape), on the CPU.
    """
    masks = torch.empty(len(passes), *shape, dtype=torch.bool)
    for position, number in enumerate(passes):
        generator = torch.Generator().manual_seed(derive_seed("mc_dropout", seed, layer, number))
        # Not bernoulli_: MKL, where torch has it, draws other numbers than torch itself. The type is said, since
        # Lightning makes that of the weights the default one.
        masks[position] = torch.rand(tuple(shape), generator=generator, dtype=torch.float32) >= rate
    return masks


class SampledDropout:
    """One dropout of a head, as all passes see it: each has its mask, drawn once and kept where it is small enough.

    Args:
        seed: The run's.
        layer: Number of the dropout within the head.
        rate: Probability that a value is dropped, above 0 and below 1.
        passes: How many passes there are.
        pool: The global average pooling that follows, where both are done at once; None for the dropout alone.
        kept_bytes: Masks that take more are drawn anew whenever they are needed.
    """

    def __init__(
        self,
        seed: int,
        layer: int,
        rate: float,
        passes: int,
        pool: nn.Module | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self.seed = seed
        self.layer = layer
        self.rate = rate
        self.passes = passes
        self.pool = pool
        self.kept_bytes = kept_bytes
        self._kept: dict[tuple[Any, ...], torch.Tensor] = {}

    def __call__(self, x: torch.Tensor, passes: range) -> torch.Tensor:
        """Drop values, and average over positions where there is a pool.

        Args:
            x: Shape (passes, B, ...), or (1, B, ...) where the passes have all in common; with a pool, the latter.
            passes: Numbers of the passes.

        Returns:
            The same of every pass, shape (passes, B, ...), or (passes, B, C) with a pool.
        """
        if self.pool is None:
            return x * self._masks(x, passes).unsqueeze(1)
        return self._masked_means(x[0], passes)

    def without_masks(self, x: torch.Tensor) -> torch.Tensor:
        """Return x, (B, ...), as the pass without dropout does."""
        if self.pool is None:
            return x
        return self.pool(x)

    def _masked_means(self, x: torch.Tensor, passes: range) -> torch.Tensor:
        # The mean of x * mask over the positions, of all passes, is one product of matrices per channel,
        # (B, P) @ (P, passes): no pass needs a copy of the features.
        positions = pooled_positions(self.pool, x)
        # Scaled before, lest a sum overflow in half precision; the masks, ones and zeros, are exact in it.
        scaled = positions * (1 / ((1 - self.rate) * positions.shape[1]))
        with torch.autocast(x.device.type, enabled=False):  # dropout and pooling keep the precision of the features
            return torch.bmm(scaled.permute(2, 0, 1), self._masks(x, passes)).permute(2, 1, 0)

    def _masks(self, x: torch.Tensor, passes: range) -> torch.Tensor:
        """The masks, in the type and at the place of x, arranged as they are used."""
        if self.pool:
            shape = tuple(x.shape[1:])
        else:
            shape = tuple(x.shape[2:])
        size = self.passes * torch.Size(shape).numel() * x.element_size()
        if size > self.kept_bytes:
            return self._arranged(x, shape, passes)
        key = (shape, x.dtype, x.device)
        if key not in self._kept:
            self._kept = {key: self._arranged(x, shape, range(self.passes))}
        kept = self._kept[key]
        if self.pool is None:
            return kept[passes.start : passes.stop]
        return kept[..., passes.start : passes.stop]

    def _arranged(self, x: torch.Tensor, shape: tuple[int, ...], passes: range) -> torch.Tensor:
        masks = draw_masks(self.seed, self.layer, passes, shape, self.rate)
        if self.pool is None:
            return masks.to(x.device).to(x.dtype).div_(1 - self.rate)
        # (passes, P, C) -> (C, P, passes)
        return pooled_positions(self.pool, masks).permute(2, 1, 0).to(x.device).contiguous().to(x.dtype)


# Bytes: so many passes are done at once that neither their activations nor their masks take more, but one at least.
CHUNK_BYTES = 2**26
# Dropout as torch has it -> how many of the last axes share one draw.
KINDS: dict[Any, int] = {F.dropout: 0, F.dropout1d: 1, F.dropout2d: 2, F.dropout3d: 3}

Drop = Callable[[torch.Tensor, float, int], torch.Tensor]


class McDropout:
    """The passes of a classifier with its dropout on.

    Where the backbone itself has dropout (``model.args.proj_drop_rate`` of a ViT or a DenseNet), nothing can be shared:
    every pass runs the whole network, which takes as many times as long.

    Args:
        classifier: In eval mode when it is used; its weights may change in between.
        passes: How many, at least 1.
        seed: Of the masks.
    """

    def __init__(self, classifier: Classifier, passes: int, seed: int) -> None:
        self.classifier = classifier
        self.passes = passes
        self.seed = seed
        layers = head_layers(classifier.head)
        first = next((number for number, layer in enumerate(layers) if _is_active(layer)), len(layers))
        self._before = nn.Sequential(*layers[:first])
        self._after = self._sampled_layers(layers, first)
        self._in_backbone: bool | None = None

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits, float, shape (passes, B, K), of images (B, C, H, W), float in [0, 1]."""
        return self.plain_and_passes(image)[1]

    @torch.no_grad()
    def plain_and_passes(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits without dropout, (B, K), and those of the passes, (passes, B, K), of images (B, C, H, W).

        Raises:
            UserError: The classifier has no dropout.
            ValueError: The classifier is in training mode: BatchNorm would change with every pass.
        """
        if self.classifier.training:
            raise ValueError("Monte Carlo dropout is for a classifier in eval mode")
        if self._in_backbone is None:
            self._in_backbone = dropout_in_backbone(self.classifier, image)
        if self._in_backbone:
            return self.classifier(image), self._whole_passes(image)
        if not has_dropout(self.classifier.head):
            raise UserError(no_dropout(self.passes))
        x = self._before(self.classifier.features(image))
        plain, widest = self._without_masks(x)
        if not self._after:
            return plain, plain.repeat(self.passes, 1, 1)
        chunks = self._chunks(max(widest * len(image), x[0].numel()) * x.element_size())
        return plain, torch.cat([self._some_passes(x, chunk) for chunk in chunks])

    def _sampled_layers(self, layers: list[nn.Module], first: int) -> list[SampledDropout | nn.Module]:
        """The layers from the first active dropout on; the pooling right after that one is done together with it."""
        if first + 1 < len(layers) and is_pool(layers[first + 1]):
            pool = layers[first + 1]
        else:
            pool = None
        sampled: list[SampledDropout | nn.Module] = []
        for number, layer in enumerate(layers[first:], start=first):
            if _is_active(layer):
                if number == first:
                    joined = pool
                else:
                    joined = None
                sampled.append(SampledDropout(self.seed, number, layer.p, self.passes, joined))
            elif layer is not pool:
                sampled.append(layer)
        return sampled

    def _without_masks(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Return the logits without dropout, and the most values that one image has on the way there."""
        widest = 1
        for layer in self._after:
            if isinstance(layer, SampledDropout):
                x = layer.without_masks(x)
            else:
                x = layer(x)
            widest = max(widest, x[0].numel())
        return x, widest

    def _chunks(self, bytes_per_pass: int) -> Iterator[range]:
        step = max(1, CHUNK_BYTES // bytes_per_pass)
        for start in range(0, self.passes, step):
            yield range(start, min(start + step, self.passes))

    def _some_passes(self, x: torch.Tensor, passes: range) -> torch.Tensor:
        """Return the logits (passes, B, K) of what all passes share, (B, ...)."""
        images = len(x)
        x = x.unsqueeze(0)
        for layer in self._after:
            if isinstance(layer, SampledDropout):
                x = layer(x, passes)
            else:
                x = layer(x.flatten(0, 1)).unflatten(0, (len(passes), images))
        return x

    def _whole_passes(self, image: torch.Tensor) -> torch.Tensor:
        """Run the whole network for each pass, with every dropout in it on."""
        logits = []
        for number in range(self.passes):
            with _intercepting(self.classifier, self._dropped(number, len(image))):
                logits.append(self.classifier(image))
        return torch.stack(logits)

    def _dropped(self, number: int, images: int) -> Drop:
        """Return what drops values in one pass through the network: the layers are counted as they are called."""
        layer = -1

        def drop(x: torch.Tensor, rate: float, shared_axes: int) -> torch.Tensor:
            nonlocal layer
            layer += 1
            if rate == 0:
                return x
            # The windows of an image (Swin) stand along the first axis, image after image: each has a mask of its own.
            windows, rest = divmod(len(x), images)
            rows, copies = (len(x), 1) if rest else (windows, images)
            shape = (rows, *x.shape[1 : x.ndim - shared_axes], *[1] * shared_axes)
            mask = draw_masks(self.seed, layer, range(number, number + 1), shape, rate)[0]
            return x * mask.to(x.device).repeat(copies, *[1] * (x.ndim - 1)).to(x.dtype).div_(1 - rate)

        return drop


def check_dropout(classifier: Classifier, passes: int, size: ImageSize) -> None:
    """Refuse Monte Carlo dropout without any dropout, and say where it will be slow.

    A dropout of the head counts even with rate 0 (the passes are then alike); one of the backbone with rate 0 is what
    timm puts everywhere, and does not.

    Args:
        classifier: In any mode, which it keeps.
        passes: How many are wanted.
        size: Of the images.

    Raises:
        UserError: Neither head nor backbone has dropout.
    """
    with torch.no_grad(), evaluating(classifier):
        slow = dropout_in_backbone(classifier, random_image(size))
    if slow:
        warn(
            f"inference.mc_passes={passes}: the backbone itself has dropout (model.args), so every pass runs the whole "
            f"network: predictions take about {passes + 1} times as long; dropout in head.layers alone costs little"
        )
    elif not has_dropout(classifier.head):
        raise UserError(no_dropout(passes))


def head_layers(head: nn.Module) -> list[nn.Module]:
    """Return the layers of a head, in their order."""
    if isinstance(head, nn.Sequential):
        return list(head)
    return [head]


def has_dropout(head: nn.Module) -> bool:
    """Tell whether a head has dropout, of whatever rate."""
    return any(isinstance(layer, nn.Dropout) for layer in head_layers(head))


def no_dropout(passes: int) -> str:
    """What is said where there is nothing to sample."""
    return (
        f"inference.mc_passes={passes}: the model has no dropout: put {{dropout: 0.5}} in head.layers, or set it to 0"
    )


def dropout_in_backbone(classifier: Classifier, image: torch.Tensor) -> bool:
    """Tell whether the backbone, in eval mode, calls a dropout with a rate above 0 on the way of an image (B, C, H, W).

    It is asked by running it: many of timm's networks drop by a function, without a module to look for.
    """
    rates = []

    def note(x: torch.Tensor, rate: float, _shared_axes: int) -> torch.Tensor:
        rates.append(rate)
        return x

    with _intercepting(classifier, note):
        classifier.features(image[:1])
    return any(rate > 0 for rate in rates)


@torch.no_grad()
def naive_passes(classifier: Classifier, image: torch.Tensor, passes: int) -> torch.Tensor:
    """Return logits (passes, B, K) of images (B, C, H, W) the plain way: the whole network once per pass.

    The dropout modules, and no others, are in training mode meanwhile; torch's global generator draws. What the rest of
    this file is measured against: it misses dropout that is called as a function.
    """
    modules = [module for module in classifier.modules() if is_dropout(module)]
    before = [module.training for module in modules]
    try:
        for module in modules:
            module.training = True
        return torch.stack([classifier(image) for _ in range(passes)])
    finally:
        for module, training in zip(modules, before, strict=True):
            module.training = training


def _is_active(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Dropout) and layer.p > 0


class _Interception(TorchFunctionMode):
    """Hands every dropout that is called, by a module or by a function, in whatever mode, to ``drop``."""

    def __init__(self, drop: Drop) -> None:
        super().__init__()
        self.drop = drop

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in KINDS:
            return func(*args, **kwargs)
        # torch's functions hand their own arguments on by name, however they were called.
        return self.drop(args[0], kwargs["p"], KINDS[func])


@contextmanager
def _intercepting(classifier: Classifier, drop: Drop) -> Iterator[None]:
    """Let ``drop`` do the dropping, that of attention weights too, which a fused attention does within one function."""
    fused = [
        module
        for module in classifier.modules()
        if getattr(module, "fused_attn", False) and getattr(getattr(module, "attn_drop", None), "p", 0) > 0
    ]
    try:
        for module in fused:
            module.fused_attn = False
        with _Interception(drop):
            yield
    finally:
        for module in fused:
            module.fused_attn = True
