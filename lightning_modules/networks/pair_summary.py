"""What an alignment without learning says of a pair as a whole: lengths, correlations, differences, inversions."""

import torch
import torch.nn.functional as F

from lightning_modules.networks.row_alignment import GROUND, HALVES, Alignment

SHARES = (0.05, 0.2, 0.5)  # quantiles of the correlations of rows
STRETCHES = (5, 9, 15)  # aligned rows over which correlations are averaged
DIFFERENT = 15  # rows of the image over which differences are averaged
SPEED = 9  # aligned rows over which the change of place is averaged
SUMMARY = 3 + len(SHARES) + 1 + len(STRETCHES) + 2 + 2 + 3 + 2 * len(HALVES)


@torch.no_grad()
def summarise(image: torch.Tensor, aligned: Alignment) -> torch.Tensor:
    """Describe pairs by numbers that do not depend on the order of the two chromosomes.

    Args:
        image: Both chromosomes, in [0, 1] on black, float, shape (B, 2, H, W).
        aligned: See `align`.

    Returns:
        float32, shape (B, SUMMARY).
    """
    image = image.float()
    rows = (image.amax(3) > GROUND).sum(2).float().clamp(min=1)
    mass = image.sum((2, 3)).clamp(min=1)
    sizes = [_relative_difference(rows), rows.amax(1) / image.shape[2], _relative_difference(mass)]
    fit, _, _, speed, inside = aligned.facts.unbind(3)
    difference = (image - aligned.warped).abs().mean(3)
    differences = [difference.sum(2).mean(1) / rows.mean(1), _highest_mean(difference, DIFFERENT)]
    speeds = [speed.abs().mean((1, 2)), _highest_mean(speed.abs(), SPEED)]
    summary = torch.stack([*sizes, *_of_fit(fit, inside > 0), *differences, *speeds, *_of_inversions(aligned)], dim=1)
    return summary.nan_to_num()


def _of_fit(fit: torch.Tensor, inside: torch.Tensor) -> list[torch.Tensor]:
    """Return low correlations of the rows, the lower of both chromosomes, and their mean; each of shape (B,)."""
    known = fit.masked_fill(~inside, torch.nan)
    quantiles = [torch.nanquantile(known, share, dim=2).amin(1) for share in SHARES]
    perfect_outside = fit.masked_fill(~inside, 1.0)
    lowest = [-_highest_mean(-perfect_outside, stretch) for stretch in STRETCHES]
    return [*quantiles, known.nanmean(2).mean(1), *lowest]


def _of_inversions(aligned: Alignment) -> list[torch.Tensor]:
    """Return the highest scores of both chromosomes, of all and of each length; each of shape (B,)."""
    best = aligned.inversions.amax(3)
    highest = best.amax(2)
    of_lengths = aligned.inversions.amax(2)
    return [highest.amax(1), highest.amin(1), best.mean((1, 2)), *of_lengths.mean(1).T, *of_lengths.amin(1).T]


def _relative_difference(values: torch.Tensor) -> torch.Tensor:
    """Return the difference of two values (B, 2), relative to the larger one, shape (B,)."""
    return (values[:, 0] - values[:, 1]).abs() / values.amax(1)


def _highest_mean(values: torch.Tensor, length: int) -> torch.Tensor:
    """Return the highest mean over so many rows of values (B, 2, R), of both chromosomes, shape (B,)."""
    return F.avg_pool1d(values, length, stride=1, padding=length // 2).amax((1, 2))
