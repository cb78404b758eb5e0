"""Monte Carlo dropout of the head, with masks that are functions of (seed, layer, pass), the same for every image."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.seeds import derive_seed
from lightning_modules.backbones.heads import head_layers
from lightning_modules.modules.image_network import ClassifierNetwork

# Bytes: so many passes are done at once that neither their activations nor their masks take more, but one at least.
CHUNK_BYTES = 2**26


def draw_masks(seed: int, layer: int, passes: range, shape: Sequence[int], rate: float) -> torch.Tensor:
    """Return which values each pass keeps, bool, shape (passes, *shape), on the CPU.

    ``shape`` is that of what one image brings to the dropout number ``layer``, ``rate`` the probability that a value is
    dropped. The mask of a pass does not depend on which others are drawn with it.
    """
    masks = torch.empty(len(passes), *shape, dtype=torch.bool)
    for position, number in enumerate(passes):
        generator = torch.Generator().manual_seed(derive_seed("mc_dropout", seed, layer, number))
        # Not bernoulli_: MKL, where torch has it, draws other numbers than torch itself. The type is given, since
        # Lightning makes that of the weights the default one.
        masks[position] = torch.rand(tuple(shape), generator=generator, dtype=torch.float32) >= rate
    return masks


class SampledDropout:
    """One dropout of a head, as all passes see it: each has its mask, drawn once.

    The first dropout of paper 001's head sees 512 x 13 x 13 values on a VGG16 at 416 pixels: 100 masks take 35 MB.
    """

    def __init__(self, seed: int, layer: int, rate: float, passes: int) -> None:
        self.seed = seed
        self.layer = layer
        self.rate = rate
        self.passes = passes
        self._kept: dict[tuple[Any, ...], torch.Tensor] = {}

    def __call__(self, x: torch.Tensor, passes: range) -> torch.Tensor:
        """Drop values of x, (passes, B, ...), or (1, B, ...) where the passes have all in common, in each pass."""
        key = (tuple(x.shape[2:]), x.dtype, x.device)
        if key not in self._kept:
            masks = draw_masks(self.seed, self.layer, range(self.passes), x.shape[2:], self.rate)
            self._kept = {key: masks.to(x.device).to(x.dtype).div_(1 - self.rate)}
        return x * self._kept[key][passes.start : passes.stop].unsqueeze(1)


class McDropout:
    """The passes of a classifier with the dropout of its head on; their number is at least 1.

    All passes share the features: dropout in the backbone (``model.args.proj_drop_rate`` of a ViT) stays off.
    """

    def __init__(self, classifier: ClassifierNetwork, passes: int, seed: int) -> None:
        self.classifier = classifier
        self.passes = passes
        self.seed = seed
        self._before = nn.Sequential()  # the layers of the head that all passes share
        self._after: list[SampledDropout | nn.Module] = []  # and those from the first active dropout on
        for number, layer in enumerate(head_layers(classifier.head)):
            if isinstance(layer, nn.Dropout) and layer.p > 0:
                self._after.append(SampledDropout(seed, number, layer.p, passes))
            elif self._after:
                self._after.append(layer)
            else:
                self._before.append(layer)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the head gives, float, shape (passes, B, K), of images (B, C, H, W), float in [0, 1]."""
        return self.plain_and_passes(image)[1]

    @torch.no_grad()
    def plain_and_passes(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits without dropout, (B, K), and those of the passes, (passes, B, K), of images (B, C, H, W).

        Raises:
            ValueError: The classifier is in training mode: BatchNorm would change with every pass.
        """
        if self.classifier.training:
            raise ValueError("Monte Carlo dropout is for a classifier in eval mode")
        x = self._before(self.classifier.features(image))
        plain = x
        widest = x[0].numel()  # the most values that one image has on its way through the layers
        for layer in self._after:
            plain = plain if isinstance(layer, SampledDropout) else layer(plain)
            widest = max(widest, plain[0].numel() * len(image))
        if not self._after:
            return plain, plain.repeat(self.passes, 1, 1)
        step = max(1, CHUNK_BYTES // (widest * x.element_size()))
        starts = range(0, self.passes, step)
        return plain, torch.cat([self._some_passes(x, range(self.passes)[start : start + step]) for start in starts])

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


def check_dropout(classifier: ClassifierNetwork, passes: int) -> None:
    """Refuse Monte Carlo dropout of a head without dropout, and warn of dropout in the backbone, which stays off.

    A dropout of the head counts even with rate 0 (the passes are then alike).

    Raises:
        UserError: The head has no dropout.
    """
    if not any(isinstance(layer, nn.Dropout) for layer in head_layers(classifier.head)):
        remedy = "put {dropout: 0.5} in head.layers, or set it to 0"
        raise UserError(f"inference.mc_passes={passes}: the model has no dropout: {remedy}")
    # timm's arguments are proj_drop_rate, attn_drop_rate ...; drop_rate is that of its own classifier.
    if any(rate for name, rate in classifier.network_args.items() if name.endswith("_drop_rate")):
        warn(f"inference.mc_passes={passes}: the dropout of the backbone (model.args) stays off, only the head's is on")
