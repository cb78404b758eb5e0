"""The orientation of an image that has an upright position: training images turned by 180 degrees, and two-fold heads.

A head with orientation has 2K outputs for K classes: those of the classes upright, then those upside down.
"""

import torch
from torch import nn


def turn_half(image: torch.Tensor, index: torch.Tensor, epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn about every second image (B, C, H, W) by 180 degrees; each is turned in every second epoch.

    It depends on no random state, so that a training resumed in mid-epoch turns the same images. ``index`` is the
    manifest row of each image, int64, (B,); rows are hashed, since the chromosomes of a pair follow one another.

    Returns:
        The images, and which of them are turned, bool, shape (B,).
    """
    turned = (_bit(index) + epoch) % 2 == 1
    return torch.where(turned.view(-1, 1, 1, 1), turn(image), image), turned


def _bit(index: torch.Tensor) -> torch.Tensor:
    """Return 0 or 1 for each row, int64, by the rounds of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    state = (index + 1) * (0x9E3779B97F4A7C15 - 2**64)
    state = (state ^ (state >> 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    state = (state ^ (state >> 27)) * (0x94D049BB133111EB - 2**64)
    return (state >> 40) & 1


def turn(image: torch.Tensor) -> torch.Tensor:
    """Return images (B, C, H, W) turned by 180 degrees."""
    return image.flip((-2, -1))


def marginal_logits(logits: torch.Tensor) -> torch.Tensor:
    """Return logits (..., K) whose softmax is the sum of that of (..., 2K) over the two orientations."""
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.unflatten(precise, -1, (2, -1)).logsumexp(-2)


def loss_by_orientation(
    loss: nn.Module, logits: torch.Tensor, target: torch.Tensor, upright: torch.Tensor | None
) -> torch.Tensor:
    """Return the mean loss of images, some of which may have been upside down before they were turned.

    Of those only the class counts: their logits are marginalised over the orientation.

    Args:
        loss: The mean loss of logits (B, outputs) and indices (B,).
        logits: Of all outputs, float, shape (B, 2K).
        target: The outputs of class and orientation, int64, shape (B,).
        upright: Which images were upright before they were turned, bool, shape (B,); None: all.
    """
    if upright is None or upright.all():
        return loss(logits, target)  # type: ignore[no-any-return]
    classes = marginal_logits(logits[~upright])
    of_classes: torch.Tensor = loss(classes, target[~upright] % classes.shape[1])
    share = ((~upright).sum().double() / len(upright)).to(of_classes.dtype)
    if not upright.any():
        return of_classes
    return share * of_classes + (1 - share) * loss(logits[upright], target[upright])  # type: ignore[no-any-return]
