"""Without learning: the gray values of two homologues along their axes, aligned and subtracted."""

import math

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from benchmarks.homologues.items import Described, Differences
from datamodules.homologues.pairs import TOKEN

GROUND = 0.03  # gray value up to which a pixel is ground
STRETCH = 0.15  # the second profile is stretched or compressed by this share at most,
SHIFT = 6  # and shifted by so many rows
STEPS = 9  # between the limits, of each
WINDOW = 9  # rows over which a difference is averaged


def compare_profiles(image: torch.Tensor) -> Differences:
    """Compare both chromosomes of pairs, float32 in [0, 1], shape (B, 2, H, W), by their aligned profiles.

    The numbers are the largest difference of a window and the absolute logarithm of the ratio of both lengths; the
    window is said to be on the longer chromosome.
    """
    profile, covered = profiles(image)
    rows = covered.sum(2)
    length = torch.log(rows[:, 0] / rows[:, 1]).abs()
    difference = _aligned_difference(profile, covered)
    smooth = F.avg_pool1d(difference[:, None], WINDOW, stride=1, padding=WINDOW // 2).squeeze(1)
    largest, row = smooth.max(1)
    on_longer = torch.where(rows[:, 1] > rows[:, 0], image.shape[2] // TOKEN, 0)
    return Differences(torch.stack([largest, length], dim=1), on_longer + row // TOKEN)


def standardised(found: Described, normal: np.ndarray) -> np.ndarray:
    """Return scores: both numbers in standard deviations of the normal pairs of the chromosome, added, shape (N,).

    Args:
        found: What is found of pairs.
        normal: Which of them are normal validation pairs, bool, shape (N,). A chromosome without any has the mean and
            the deviation of all.
    """
    columns = ["largest", "length"]
    frame = pd.DataFrame(found.numbers, columns=columns).assign(chromosome=found.chromosome)
    known = frame[normal]
    of_class = known.groupby("chromosome")[columns]
    mean = of_class.mean().reindex(frame["chromosome"]).fillna(known[columns].mean())
    std = of_class.std().reindex(frame["chromosome"]).fillna(known[columns].std())
    scores = (frame[columns].to_numpy() - mean.to_numpy()) / np.maximum(std.to_numpy(), 1e-6)
    return np.asarray(scores.sum(axis=1))


def profiles(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean gray value of each row, standardised within each chromosome, and which rows it covers (0 or 1).

    Both float32, shape (B, 2, H); at least one row counts as covered.
    """
    mask = (image > GROUND).float()
    pixels = mask.sum(3)
    covered = (pixels > 0).float()
    covered[..., image.shape[2] // 2] = 1
    gray = (image * mask).sum(3) / pixels.clamp(min=1)
    count = covered.sum(2, keepdim=True)
    centred = (gray - (gray * covered).sum(2, keepdim=True) / count) * covered
    spread = ((centred**2).sum(2, keepdim=True) / count).sqrt().clamp(min=1e-3)
    return centred / spread, covered


def _aligned_difference(profile: torch.Tensor, covered: torch.Tensor) -> torch.Tensor:
    """Return the absolute difference of the profiles by row of the first, at the best stretch and shift, (B, H).

    Rows that only one of them covers count in the choice, with the gray value that the other lacks.
    """
    best = torch.full_like(profile[:, 0, 0], math.inf)
    chosen = torch.zeros_like(profile[:, 0])
    for stretch in torch.linspace(-STRETCH, STRETCH, STEPS).exp():
        for shift in torch.linspace(-SHIFT, SHIFT, STEPS):
            other = _moved(profile[:, 1], float(stretch), float(shift))
            of_other = _moved(covered[:, 1], float(stretch), float(shift))
            either = torch.maximum(covered[:, 0], of_other)
            difference = (profile[:, 0] - other).abs() * either
            cost = difference.sum(1) / either.sum(1)
            better = cost < best
            best = torch.where(better, cost, best)
            chosen = torch.where(better[:, None], difference, chosen)
    return chosen


def _moved(values: torch.Tensor, stretch: float, shift: float) -> torch.Tensor:
    """Return rows (B, H) stretched from their middle and shifted downwards; zero beyond the ends."""
    height = values.shape[1]
    middle = (height - 1) / 2
    row = (torch.arange(height) - middle - shift) / stretch + middle
    above = row.floor().clamp(0, height - 2).long()
    weight = (row - above).clamp(0, 1)
    inside = ((row >= 0) & (row <= height - 1)).float()
    return (values[:, above] * (1 - weight) + values[:, above + 1] * weight) * inside
