"""The network of the detector: features of four resolutions, joined at that of half the picture, and their boxes."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from timm.models.resnet import ResNet
from torch import nn
from torch.nn import functional
from torchvision.ops import nms

from karyocyte.common.errors import UserError

STRIDE = 2  # pixels of the picture per cell of the maps
KINDS = 4  # maps of centres: wide boxes, tall ones, and those of chromosomes that rise or fall to the right
RARE = -4.6  # logit of 0.01: first value of the maps of centres, of which few cells are one (RetinaNet, 2017, 4.1)
SIDE = 16.0  # pixels: unit of the distances to the sides
MOST = 120  # boxes of a picture; a cell has 46 chromosomes
SAME = 0.7  # intersection over union from which on the less certain of two boxes is left out
LEAST = 0.05  # score of a box


class Maps(NamedTuple):
    """What the detector gives for pictures (B, 1, H, W), on maps of h = H / 2 and w = W / 2 cells."""

    centres: torch.Tensor  # logits of centres of each kind, float, shape (B, KINDS, h, w)
    # distances from a cell to left, top, right and bottom of the box around it, pixels above 0, float, shape (B, KINDS,
    # 4, h, w)
    sides: torch.Tensor

    def mirrored(self) -> "Maps":
        """Return the maps of the mirror images: left is right, and a chromosome that rises falls."""
        kinds = [0, 1, 3, 2]
        left, top, right, bottom = self.sides.flip(-1)[:, kinds].unbind(2)
        return Maps(self.centres.flip(-1)[:, kinds], torch.stack([right, top, left, bottom], dim=2))


def decode(maps: Maps) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the boxes of each picture, the most certain first.

    Returns:
        left, top, right, bottom in pixels, float32, shape (B, MOST, 4), and their scores, 0 to 1, shape (B, MOST). A
        picture with fewer boxes has scores of 0 at the end.
    """
    scores = maps.centres.sigmoid()
    highest = functional.max_pool2d(scores, 3, stride=1, padding=1)
    peaks = (scores * (scores == highest)).flatten(1)
    best, cells = peaks.topk(min(2 * MOST, peaks.shape[1]))
    height, width = maps.centres.shape[-2:]
    boxes = scores.new_zeros(len(scores), MOST, 4)
    kept_scores = scores.new_zeros(len(scores), MOST)
    for number, (of_picture, cell) in enumerate(zip(best, cells, strict=True)):
        cell = cell[of_picture >= LEAST]
        row, column = cell % (height * width) // width, cell % width
        places = (torch.stack([column, row]) + 0.5) * STRIDE
        sides = maps.sides[number].transpose(0, 1).flatten(1)[:, cell]
        found = boxes_of(places, sides)
        kept = nms(found, of_picture[: len(cell)], SAME)[:MOST]
        boxes[number, : len(kept)] = found[kept]
        kept_scores[number, : len(kept)] = of_picture[kept]
    return boxes, kept_scores


def boxes_of(places: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    """Return boxes, shape (n, 4), of the x and y of cells, shape (2, n), and the distances to the sides, (4, n)."""
    left, top, right, bottom = sides
    x, y = places
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)


class CentreDecoder(nn.Module):
    """Joins features, the coarse ones enlarged and added to the finer (Lin et al., Feature Pyramid Networks, 2017).

    Args:
        channels: Of the features, the finest first.
        width: Channels of the joined features.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.narrow = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.ModuleList(_smoothing(width) for _ in channels[1:])
        self.maps = nn.Conv2d(width, KINDS * 5, 1)
        nn.init.constant_(self.maps.bias[:KINDS], RARE)  # type: ignore[index]

    def forward(self, levels: Sequence[torch.Tensor]) -> Maps:
        """Return the maps of features of the strides 2, 4, 8 and 16, each (B, C, h, w)."""
        joined = self.narrow[-1](levels[-1])
        for level, narrow, smooth in zip(levels[-2::-1], list(self.narrow)[-2::-1], self.smooth, strict=True):
            enlarged = functional.interpolate(joined, size=level.shape[-2:], mode="nearest")
            joined = smooth(enlarged + narrow(level))
        centres, sides = self.maps(joined).float().split([KINDS, KINDS * 4], dim=1)
        return Maps(centres, torch.unflatten(functional.softplus(sides), 1, (KINDS, 4)) * SIDE)


def _smoothing(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(8, width), nn.ReLU(inplace=True)
    )


def levels_of(backbone: nn.Module, image: torch.Tensor) -> list[torch.Tensor]:
    """Return the features of a ResNet of timm, whole or cut, with the strides 2, 4, 8 and 16, of images (B, 3, H, W).

    Raises:
        UserError: The network is no ResNet.
    """
    if not isinstance(backbone, ResNet):
        raise UserError("a detector needs a ResNet, with conv1 to layer3: set model=resnet18")
    levels: list[torch.Tensor]
    _, levels = backbone.forward_intermediates(image, [0, 1, 2, 3], stop_early=True)  # type: ignore[assignment]
    return levels
