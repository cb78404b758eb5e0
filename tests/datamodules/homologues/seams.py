"""Pixel statistics of chromosomes at the joins of segments."""

import torch

from datamodules.homologues.segments import Segments, assemble
from datamodules.homologues.strips import Strips

NEAR = 2  # rows above and below a join
GROUND = 20 / 255
STATISTICS = ("gray step", "width step", "roughness")


def at_joins(strips: Strips, segments: Segments, share: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return statistics of chromosomes at shares of their lengths, each of the shape of ``share``, (B, J).

    The steps of the mean gray value and of the width from the rows above to those below, absolute, relative to the
    contrast and to the mean width of the chromosome; the mean square difference of neighbouring rows, relative to the
    squared contrast.
    """
    image = assemble(strips, segments, torch.ones(len(share)))[:, 0]
    join = ((image.shape[1] - segments.length) / 2)[:, None] + share * segments.length[:, None]
    inside = image > GROUND
    width = inside.sum(2).float()
    covered = width > 0
    gray = (image * inside).sum(2) / width.clamp(min=1)
    mean = _mean(gray, covered)
    contrast = _mean((gray - mean) ** 2, covered).sqrt()
    change = image.diff(dim=1, prepend=image[:, :1]).square().sum(2) / width.clamp(min=1)
    below = join.round().long()[..., None] + torch.arange(NEAR)
    above = below - NEAR
    steps = [(_rows(values, below) - _rows(values, above)).abs() for values in (gray, width)]
    rough = (_rows(change, above) + _rows(change, below)) / 2
    found = (steps[0] / contrast, steps[1] / _mean(width, covered), rough / contrast**2)
    return dict(zip(STATISTICS, found, strict=True))


def _mean(values: torch.Tensor, covered: torch.Tensor) -> torch.Tensor:
    return (values * covered).sum(1, keepdim=True) / covered.sum(1, keepdim=True)


def _rows(values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return means of values (B, H) over rows (B, J, NEAR), shape (B, J)."""
    return values.gather(1, rows.flatten(1)).unflatten(1, rows.shape[1:]).mean(2)
