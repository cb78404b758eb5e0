"""Masks of Monte Carlo dropout: pure functions of (seed, layer, pass), the same for every image."""

from collections.abc import Sequence

import torch
from torch import nn

from common.seeds import derive_seed
from lightning_modules.heads import pooled_positions

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
        self.seed, self.layer, self.rate, self.passes = seed, layer, rate, passes
        self.pool, self.kept_bytes = pool, kept_bytes
        self._kept: dict[tuple, torch.Tensor] = {}

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
        return x if self.pool is None else self.pool(x)

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
        shape = tuple(x.shape[1:]) if self.pool else tuple(x.shape[2:])
        size = self.passes * torch.Size(shape).numel() * x.element_size()
        if size > self.kept_bytes:
            return self._arranged(x, shape, passes)
        key = (shape, x.dtype, x.device)
        if key not in self._kept:
            self._kept = {key: self._arranged(x, shape, range(self.passes))}
        kept = self._kept[key]
        return kept[passes.start : passes.stop] if self.pool is None else kept[..., passes.start : passes.stop]

    def _arranged(self, x: torch.Tensor, shape: tuple[int, ...], passes: range) -> torch.Tensor:
        masks = draw_masks(self.seed, self.layer, passes, shape, self.rate)
        if self.pool is None:
            return masks.to(x.device).to(x.dtype).div_(1 - self.rate)
        # (passes, P, C) -> (C, P, passes)
        return pooled_positions(self.pool, masks).permute(2, 1, 0).to(x.device).contiguous().to(x.dtype)
