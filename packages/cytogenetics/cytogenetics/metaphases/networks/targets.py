"""What the detector learns: where the centre of each box is on the map of its kind, and how far its sides are.

After Liu et al., Training-Time-Friendly Network for Real-Time Object Detection (2020): the sides are learnt in all
cells near a centre, not in one, which takes far fewer epochs; and Law and Deng, CornerNet (2018), for the focal loss.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss

from cytogenetics.metaphases.networks.network import KINDS, STRIDE, Maps, boxes_of

SPREAD = 0.09  # standard deviation of the target around a centre, relative to the sides of the box
LEAST_SPREAD = 1.5  # pixels
NEAR = 0.2  # cells with at least so much of the target learn the sides
ELONGATED = 1.35  # ratio of the sides from which on a box is wide or tall
SIDES_WEIGHT = 5.0  # of the loss of the sides beside that of the centres


def kinds_of(image: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Return the map that each box belongs to, int64, shape (n,): two chromosomes that cross share a centre.

    Which way the chromosome in a square box lies is seen from the pixels within: their brightness rises to the right
    with the rows or against them.

    Args:
        image: Bright chromosomes on black, float, shape (H, W).
        boxes: left, top, right, bottom in pixels, shape (n, 4).
    """
    width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
    y = torch.linspace(-1, 1, image.shape[0], device=image.device)[:, None].expand_as(image)
    x = torch.linspace(-1, 1, image.shape[1], device=image.device).expand_as(image)
    moments = torch.stack([image, image * x, image * y, image * x * y]).double()
    sums = functional.pad(moments.cumsum(1).cumsum(2), (1, 0, 1, 0))
    limits = boxes.new_tensor([image.shape[1], image.shape[0]] * 2)
    left, top, right, bottom = boxes.round().clamp(min=0).minimum(limits).long().unbind(1)
    within = sums[:, bottom, right] - sums[:, top, right] - sums[:, bottom, left] + sums[:, top, left]
    mass, of_x, of_y, of_both = within
    falls = of_both * mass > of_x * of_y  # the covariance of x and y, and rows count downwards
    kinds: torch.Tensor = falls.long() + 2
    kinds[width > ELONGATED * height] = 0
    kinds[height > ELONGATED * width] = 1
    return kinds


def detection_loss(maps: Maps, image: torch.Tensor, boxes: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses of centres and of sides, scalars, for images (B, 1, H, W) and the boxes of each."""
    height, width = maps.centres.shape[-2:]
    x = (torch.arange(width, device=image.device) + 0.5) * STRIDE
    y = (torch.arange(height, device=image.device) + 0.5) * STRIDE
    of_centres = maps.centres.new_zeros(())
    of_sides = maps.centres.new_zeros(())
    for number, of_picture in enumerate(boxes):
        kinds = kinds_of(image[number, 0], of_picture)
        near = _nearness(of_picture, x, y)
        targets = maps.centres.new_zeros(KINDS, height, width)
        owners = torch.full_like(targets, -1, dtype=torch.long)  # of the boxes of its kind, a cell learns the nearest
        for kind in torch.unique(kinds).tolist():
            rows = torch.nonzero(kinds == kind)[:, 0]
            targets[kind], nearest = near[rows].max(0)
            owners[kind] = rows[nearest]
        numbers = torch.arange(len(of_picture), device=image.device)
        owned = (near >= NEAR) & (owners[kinds] == numbers[:, None, None])
        box, row, column = owned.nonzero(as_tuple=True)
        predicted = boxes_of(torch.stack([x[column], y[row]]), maps.sides[number, kinds[box], :, row, column].T)
        weights = near[owned] / near.sum((1, 2))[box]
        of_sides = of_sides + (generalized_box_iou_loss(predicted, of_picture[box]) * weights).sum()
        of_centres = of_centres + _focal_loss(maps.centres[number], targets)
    count = max(1, sum(map(len, boxes)))
    return of_centres / count, of_sides / count


def _nearness(boxes: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return how near each cell is to the centre of each box, 0 to 1, shape (n, h, w); the nearest cell has 1."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    spread = (SPREAD * (boxes[:, 2:] - boxes[:, :2])).clamp(min=LEAST_SPREAD)
    across = torch.exp(-((x - middle[:, :1]) ** 2) / (2 * spread[:, :1] ** 2))
    down = torch.exp(-((y - middle[:, 1:]) ** 2) / (2 * spread[:, 1:] ** 2))
    across = across / across.amax(1, keepdim=True)
    down = down / down.amax(1, keepdim=True)
    return down[:, :, None] * across[:, None]


def _focal_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the sum of CornerNet's focal loss, equation 1: cells near a centre count less as no centre."""
    probability = logits.sigmoid()
    positive = targets == 1
    of_centres = -functional.logsigmoid(logits[positive]) * (1 - probability[positive]) ** 2
    others = -functional.logsigmoid(-logits) * probability**2 * (1 - targets) ** 4
    return of_centres.sum() + others[~positive].sum()
