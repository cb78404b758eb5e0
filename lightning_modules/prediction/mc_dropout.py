"""Monte Carlo dropout of the head (paper 001, 3.4): in each pass every image has its own mask, as Keras draws them.

A mask is a function of (seed, layer, pass, image), where the pixels say which image it is. So passes do not depend on
the other images of a batch, and are those of the same picture in another file.
"""

import math
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.seeds import derive_seed
from lightning_modules.backbones.heads import head_layers
from lightning_modules.modules.image_network import ClassifierNetwork

LEVELS = 2**16  # a value is dropped by a drawn number of 16 bits


class SampledDropout:
    """One dropout of a head, as all passes see it; ``rate`` is the probability that a value is dropped."""

    def __init__(self, seed: int, layer: int, rate: float) -> None:
        self.seed = seed
        self.layer = layer
        self.rate = rate

    def draw_masks(self, number: int, passes: int, shape: Sequence[int]) -> torch.Tensor:
        """Return which values of an image the passes keep, bool, shape (passes, *shape), on the CPU.

        ``number`` is that of the image. More passes begin with the same masks.
        """
        size = passes * math.prod(shape)
        # Its numbers are the same on every machine, and cost a tenth of those of torch.
        generator = np.random.SFC64(derive_seed("mc_dropout", self.seed, self.layer, number))
        drawn = generator.random_raw(-(-size // 4)).view(np.uint16)[:size]  # four of each number of 64 bits
        return torch.from_numpy(drawn >= round(self.rate * LEVELS)).reshape(passes, *shape)

    def __call__(self, x: torch.Tensor, number: int) -> torch.Tensor:
        """Drop values of what the passes of an image have, (passes, ...)."""
        masks = self.draw_masks(number, len(x), x.shape[1:])
        return x * masks.to(x.device).to(x.dtype).div_(1 - self.rate)


class McDropout:
    """The passes of a classifier with the dropout of its head on; their number is at least 1.

    All passes share the features: dropout in the backbone (``model.args.proj_drop_rate`` of a ViT) stays off.
    """

    def __init__(self, classifier: ClassifierNetwork, passes: int, seed: int) -> None:
        self.classifier = classifier
        self.passes = passes
        self._before = nn.Sequential()  # the layers of the head that all passes share
        self._after: list[SampledDropout | nn.Module] = []  # and those from the first active dropout on
        for number, layer in enumerate(head_layers(classifier.head)):
            if isinstance(layer, nn.Dropout) and layer.p > 0:
                self._after.append(SampledDropout(seed, number, layer.p))
            elif self._after:
                self._after.append(layer)
            else:
                self._before.append(layer)

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the head gives, float, shape (passes, B, K), of images (B, C, H, W), float in [0, 1]."""
        return self.plain_and_passes(image, self.image_numbers(image))[1]

    @staticmethod
    def image_numbers(image: torch.Tensor) -> list[int]:
        """Return a number of 32 bits for each of the images (B, C, H, W), float in [0, 1], by its pixels alone.

        Pixels count as uint8, as they were prepared: so the numbers are the same in every precision.
        """
        pixels = (image.float() * 255).round().to(torch.uint8).cpu().numpy()
        return [zlib.crc32(each.tobytes()) for each in pixels]

    @torch.no_grad()
    def plain_and_passes(self, image: torch.Tensor, numbers: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits without dropout, (B, K), and those of the passes, (passes, B, K), of images (B, C, H, W).

        Images have the masks of their ``numbers`` (`image_numbers`): views of an image share its number.

        Raises:
            ValueError: The classifier is in training mode: BatchNorm would change with every pass.
        """
        if self.classifier.training:
            raise ValueError("Monte Carlo dropout is for a classifier in eval mode")
        x = self._before(self.classifier.features(image))
        passes = [self._passes_of(*each) for each in zip(x, numbers, strict=True)]
        for layer in self._after:
            x = x if isinstance(layer, SampledDropout) else layer(x)
        return x, torch.stack(passes, dim=1)

    def _passes_of(self, x: torch.Tensor, number: int) -> torch.Tensor:
        """Return the logits (passes, K) of what all passes of an image share, of any shape."""
        x = x.expand(self.passes, *x.shape)
        for layer in self._after:
            x = layer(x, number) if isinstance(layer, SampledDropout) else layer(x)
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
