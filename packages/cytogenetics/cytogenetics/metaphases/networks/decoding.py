"""From the maps of the detector to boxes."""

import torch
from cytogenetics.metaphases.networks.network import STRIDE, Maps
from cytogenetics.metaphases.networks.targets import boxes_of
from torch.nn import functional
from torchvision.ops import nms

MOST = 120  # boxes of a picture; a cell has 46 chromosomes
SAME = 0.7  # intersection over union from which on the less certain of two boxes is left out
LEAST = 0.05  # score of a box


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
