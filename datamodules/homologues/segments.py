"""Chromosomes put together from segments of straightened ones: rows are taken from several strips, in either order."""

from dataclasses import dataclass
from itertools import combinations

import torch

from datamodules.homologues.strips import Strips

SEAM = 1.2  # rows: standard deviation of the weight with which the rows at a seam are blurred
FADE = 0.06  # of a strip's height: over so many rows the widths of two segments approach each other at a seam


@dataclass(frozen=True)
class Segments:
    """B chromosomes of S segments each, from top to bottom; one of no length is left out.

    Attributes:
        source: Position of the strip that a segment is of, int64, shape (B, S).
        start: Its first row in that strip, float32, shape (B, S).
        stop: The row after its last one; at least ``start``.
        flipped: Whether its rows are in the opposite order, bool, shape (B, S).
        mirrored: Whether it is mirrored left to right, bool, shape (B, S).
        seams: Rows of the result at which it is blurred a little, float32, shape (B, J); NaN for none. Those at an end
            are none.
        gain: By what its gray values are multiplied, float32, shape (B, S); None: by nothing.
        widening: By what its width is multiplied, likewise.
    """

    source: torch.Tensor
    start: torch.Tensor
    stop: torch.Tensor
    flipped: torch.Tensor
    mirrored: torch.Tensor
    seams: torch.Tensor
    gain: torch.Tensor | None = None
    widening: torch.Tensor | None = None

    @classmethod
    def whole(cls, strips: Strips, positions: torch.Tensor) -> "Segments":
        """Return the chromosomes of some strips as they are; positions int64, shape (B,)."""
        stop = strips.length[positions][:, None]
        no = torch.zeros_like(stop, dtype=torch.bool)
        return cls(positions[:, None], torch.zeros_like(stop), stop, no, no, torch.full_like(stop, torch.nan))

    @property
    def ends(self) -> torch.Tensor:
        """The row of the result after each segment, float32, shape (B, S)."""
        return (self.stop - self.start).cumsum(1)

    @property
    def length(self) -> torch.Tensor:
        """Rows of the results, float32, shape (B,)."""
        return self.ends[:, -1]


# Where whole chromosomes are laid beside each other, rows: lengths are odd or even, and without it one of the two would
# be sampled at its rows, and so be sharper than the other, which is sampled between them.
PHASE = 0.25


def assemble(
    strips: Strips, segments: Segments, scale: torch.Tensor, shift: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the chromosomes, each in the middle of a strip, float32 in [0, 1], shape (B, 1, H, W).

    At a seam the widths of both sides approach each other, and the rows are blurred by less than two.

    Args:
        strips: What the segments are of.
        segments: Of each chromosome.
        scale: By which each is reduced, float32, at most 1, shape (B,).
        shift: Rows by which each is below the middle, float32, shape (B,).
    """
    height, width = strips.pixels.shape[1:]
    device = scale.device
    top = (height - segments.length * scale) / 2
    if shift is not None:
        top = top + shift
    row = (torch.arange(height, device=device) + 0.5 - top[:, None]) / scale[:, None]  # of the results, (B, H)
    inside = (row >= 0) & (row <= segments.length[:, None])
    number = torch.searchsorted(segments.ends.contiguous(), row.clamp(min=0).contiguous()).clamp(
        max=segments.source.shape[1] - 1
    )
    begin = segments.ends - (segments.stop - segments.start)
    within = row - begin.gather(1, number)
    start = segments.start.gather(1, number)
    flipped = segments.flipped.gather(1, number)
    source_row = torch.where(flipped, segments.stop.gather(1, number) - within, start + within)
    source = segments.source.gather(1, number)
    factor = _width_factor(strips, segments, row, number)
    side = torch.where(segments.mirrored.gather(1, number), -1.0, 1.0)
    across = (torch.arange(width, device=device) - (width - 1) / 2)[None, None] / scale[:, None, None]
    column = across * (side * factor)[..., None] + (width - 1) / 2
    values = _sample(strips.pixels, source, source_row - 0.5, column) * inside[..., None]
    if segments.gain is not None:
        values = (values * segments.gain.gather(1, number)[..., None]).clamp(max=1)
    at_end = (segments.seams < 0.5) | (segments.seams > segments.length[:, None] - 0.5)
    return _blurred_at_seams(values, row, segments.seams.masked_fill(at_end, torch.nan)).unsqueeze(1)


def _width_factor(strips: Strips, segments: Segments, row: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
    """Return source columns per column of the result for each row, float32, shape (B, H).

    The width at a seam is the geometric mean of both sides, and each side approaches it exponentially.
    """
    upper = _edge_width(strips, segments, upper=True)
    lower = _edge_width(strips, segments, upper=False)
    fade = FADE * strips.pixels.shape[1]
    logarithm = torch.zeros_like(row)
    for above, below in combinations(range(segments.source.shape[1]), 2):
        # Half of what the side below is wider than the side above, as a logarithm.
        half = torch.log(upper[:, below] / lower[:, above]) / 2
        half = torch.where(_meet(segments, above, below), half, torch.zeros_like(half))
        distance = (row - segments.ends[:, above, None]).abs()
        sign = torch.where(number <= above, -1.0, 1.0)
        logarithm = logarithm + sign * half[:, None] * torch.exp(-distance / fade)
    if segments.widening is not None:
        logarithm = logarithm - segments.widening.log().gather(1, number)
    return torch.exp(logarithm)


def _meet(segments: Segments, above: int, below: int) -> torch.Tensor:
    """Return whether two segments have a length and those between them none, bool, shape (B,)."""
    exists = segments.stop > segments.start
    return exists[:, above] & exists[:, below] & ~exists[:, above + 1 : below].any(1)


def _edge_width(strips: Strips, segments: Segments, upper: bool) -> torch.Tensor:
    """Return half the width of the upper or lower edge of each segment as it lies, float32, shape (B, S)."""
    at = torch.where(segments.flipped == upper, segments.stop - 1, segments.start)
    at = at.round().long().clamp(0, strips.pixels.shape[1] - 1)
    width = strips.half_width[segments.source, at]
    return width if segments.widening is None else width * segments.widening


def _sample(pixels: torch.Tensor, source: torch.Tensor, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Return pixels of strips (N, H, W) between their rows and columns, float32 in [0, 1]; 0 outside.

    Args:
        pixels: uint8.
        source: Strip of each row of the results, int64, shape (B, h).
        row: Its row there, float32, shape (B, h).
        column: Of each pixel of the results, float32, shape (B, h, w).
    """
    _, height, width = pixels.shape
    above = row.floor()
    left = column.floor()
    weight_below = (row - above)[..., None]
    weight_right = column - left
    flat = pixels.flatten()
    total = torch.zeros_like(column)
    for down in (0, 1):
        y = above.long() + down
        usable_row = ((y >= 0) & (y < height))[..., None]
        base = (source * height + y.clamp(0, height - 1))[..., None] * width
        row_weight = weight_below if down else 1 - weight_below
        for right in (0, 1):
            x = left.long() + right
            usable = usable_row & (x >= 0) & (x < width)
            weight = row_weight * (weight_right if right else 1 - weight_right) * usable
            total = total + weight * flat[base + x.clamp(0, width - 1)].float()
    return total / 255


def _blurred_at_seams(values: torch.Tensor, row: torch.Tensor, seams: torch.Tensor) -> torch.Tensor:
    """Blur the rows at the seams, values (B, H, W), as the optics of a microscope would."""
    distance = (row[:, :, None] - seams[:, None]).abs().nan_to_num(nan=1e6)
    weight = torch.exp(-((distance / SEAM) ** 2) / 2).amax(2)[..., None]
    above = torch.roll(values, 1, dims=1)
    below = torch.roll(values, -1, dims=1)
    return values + weight * (above + below - 2 * values) / 4
