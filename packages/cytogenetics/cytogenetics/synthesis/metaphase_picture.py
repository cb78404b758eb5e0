"""Composes pictures of whole metaphases of single chromosomes; where two cross, their transmissions multiply."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import cv2
import numpy as np

from cytogenetics.images.boxes import overlaps
from cytogenetics.synthesis.metaphase import GROUND, Chromosome

# Pixels that annotators leave on each side of a mask, and their spread; the mask reaches 2 beyond what looks dark.
MARGIN = 4.0
MARGIN_SPREAD = 3.0
# How far the box of a chromosome overlaps that of another (intersection over union) when it is placed, from, to and how
# often; and which share of its pixels may lie on others. Fitted to the boxes of the metaphases of Tseng et al. (2023):
# 91 % meet another one, 62 % overlap one by more than 0.1, 32 % by 0.2, 15 % by 0.3 and 2 % by 0.5.
OVERLAPS = ((0.0, 0.0), (0.0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.5), (0.5, 0.7))
PROBABILITIES = (0.12, 0.49, 0.17, 0.07, 0.09, 0.06)
CROSSING = {0.0: 0.6, 0.2: 0.2, 0.5: 0.2}
FILLED = 1.0  # area of the boxes relative to that of the disc that they are placed in
_PATIENCE = 2000  # tries after which an overlap may differ by 1 from what was drawn
_ANGLES = np.arange(0.0, 360.0, 5.0)  # that are tried to fit a chromosome to a given box
_SLACK = 3.0  # pixels of width and height together by which such an angle may fit worse than the best
_EMPTY = 20  # pixels around the outermost chromosomes, at least


@dataclass(frozen=True, eq=False)
class PlacedChromosome:
    """A chromosome of a composed picture."""

    label: str  # "1" to "22", "X" or "Y"
    box: np.ndarray  # as an annotator draws it: left, top, right, bottom in pixels, float32, shape (4,)
    corner: tuple[int, int]  # x and y of the upper left corner of the mask in the picture
    mask: np.ndarray  # bool, shape (H, W): where the chromosome is, also where another lies above it


@dataclass(frozen=True, eq=False)
class MetaphasePicture:
    """A composed picture of a metaphase."""

    pixels: np.ndarray  # uint8 gray, shape (H, W), dark on light
    chromosomes: tuple[PlacedChromosome, ...]  # in the order that they were given in


@dataclass(frozen=True, eq=False)
class _Turned:
    """A chromosome that is turned."""

    light: np.ndarray  # transmitted, relative to the ground, float32, shape (H, W), 0 to 1; 1 outside the mask
    mask: np.ndarray  # bool, shape (H, W)

    @property
    def sides(self) -> np.ndarray:
        """Width and height in pixels."""
        return np.array(self.mask.shape[::-1])


def compose_metaphase(
    chromosomes: Sequence[Chromosome],
    rng: np.random.Generator,
    scale: float = 1.0,
    boxes: np.ndarray | None = None,
) -> MetaphasePicture:
    """Compose a picture of a metaphase.

    Args:
        chromosomes: Synthetic ones, or cut out of real pictures.
        rng: What the places, the angles and the ground are drawn by.
        scale: Pixels of the picture per pixel of a chromosome.
        boxes: The places, such as those of a real metaphase: left, top, right, bottom in pixels, not negative, shape
            (chromosomes, 4). Each chromosome is turned so that it fills its box. None: places are drawn.
    """
    if boxes is None:
        turned = [_turn(one, rng.uniform(0, 360), scale) for one in chromosomes]
        corners = _draw_places(turned, rng)
    else:
        turned = [_fit(one, box, scale, rng) for one, box in zip(chromosomes, boxes, strict=True)]
        sides = np.array([one.sides for one in turned])
        corners = np.rint((boxes[:, :2] + boxes[:, 2:] - sides) / 2).astype(int).clip(0)
    ends = corners + [one.sides for one in turned]
    width, height = ends.max(axis=0) + rng.integers(_EMPTY, 4 * _EMPTY, 2)
    light = np.ones((height, width), np.float32)
    placed = []
    for one, source, (x, y), end in zip(turned, chromosomes, corners.tolist(), ends, strict=True):
        # Light passes through both of two chromosomes that cross.
        light[y : end[1], x : end[0]] *= one.light
        margins = rng.normal(MARGIN, MARGIN_SPREAD, 4).clip(0) * (-1, -1, 1, 1)
        box = (np.array([x, y, *end]) + margins).clip(0, (width, height, width, height)).astype(np.float32)
        placed.append(PlacedChromosome(source.label, box, (x, y), one.mask))
    _add_nuclei(light, np.array([one.box for one in placed]), rng)
    return MetaphasePicture(_photograph(light, rng), tuple(placed))


def _turn(chromosome: Chromosome, angle: float, scale: float) -> _Turned:
    """Turn a chromosome clockwise, by degrees, and cut it tightly."""
    height, width = chromosome.mask.shape
    side = math.ceil(scale * math.hypot(height, width)) + 4
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -angle, scale)
    matrix[:, 2] += ((side - width) / 2, (side - height) / 2)
    mask = cv2.warpAffine(chromosome.mask.astype(np.float32), matrix, (side, side)) > 0.5
    pixels = cv2.warpAffine(chromosome.pixels, matrix, (side, side), borderValue=GROUND)
    # The ground of a chromosome that was cut out of a picture is what its outline has.
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ground = np.percentile(pixels[mask & ~inner], 90)
    light = np.where(mask, np.minimum(pixels / np.float32(ground), 1), 1).astype(np.float32)
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    inside = np.s_[y : y + height, x : x + width]
    return _Turned(light[inside], mask[inside])


def _fit(chromosome: Chromosome, box: np.ndarray, scale: float, rng: np.random.Generator) -> _Turned:
    """Turn a chromosome so that it fills a box as well as it can, by one of the angles at which it does."""
    wished = (box[2:] - box[:2] - 2 * MARGIN) / scale
    y, x = np.nonzero(chromosome.mask)
    radians = np.deg2rad(_ANGLES)[:, None]
    widths = np.ptp(x * np.cos(radians) - y * np.sin(radians), axis=1)
    heights = np.ptp(x * np.sin(radians) + y * np.cos(radians), axis=1)
    misfit = np.abs(widths - wished[0]) + np.abs(heights - wished[1])
    return _turn(chromosome, float(rng.choice(_ANGLES[misfit <= misfit.min() + _SLACK])), scale)


def _draw_places(turned: Sequence[_Turned], rng: np.random.Generator) -> np.ndarray:
    """Draw the upper left corners, int64, shape (n, 2), of chromosomes in a disc, flattened a little."""
    sides = np.array([one.sides for one in turned])
    radius = math.sqrt((sides + 2 * MARGIN).prod(axis=1).sum() / math.pi / FILLED)
    flattening = rng.uniform(0.75, 1.3)
    radii = radius * np.array([flattening, 1 / flattening])
    centre = math.ceil(radii.max() + sides.max())
    covered = np.zeros((2 * centre, 2 * centre), bool)
    corners = np.zeros((len(turned), 2), int)
    placed: list[int] = []
    for number in rng.permutation(len(turned)).tolist():
        mask = turned[number].mask
        low, high = rng.choice(OVERLAPS, p=PROBABILITIES)
        crossing = rng.choice(list(CROSSING), p=list(CROSSING.values()))
        # Each failed try widens what is allowed a little, so that the search ends.
        for tolerance in count(0.0, 1 / _PATIENCE):
            angle = rng.uniform(0, 2 * math.pi)
            middle = centre + math.sqrt(rng.uniform()) * radii * (math.cos(angle), math.sin(angle))
            corners[number] = np.rint(middle - sides[number] / 2)
            x, y = corners[number].tolist()
            below = covered[y : y + mask.shape[0], x : x + mask.shape[1]]
            boxes = np.hstack([corners - MARGIN, corners + sides + MARGIN])
            overlap = overlaps(boxes[[number]], boxes[placed]).max() if placed else low
            shared = (below & mask).sum() / mask.sum()
            if low - tolerance <= overlap <= high + tolerance and shared <= crossing + tolerance:
                break
        # `below` is a view: this marks the pixels of `covered`.
        below |= mask
        placed.append(number)
    return np.asarray(corners - corners.min(axis=0) + rng.integers(_EMPTY, 4 * _EMPTY, 2))


def _add_nuclei(light: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> None:
    """Add nuclei of other cells where no chromosome has its middle, and specks of dirt."""
    height, width = light.shape
    y, x = np.ogrid[:height, :width]
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    for _ in range(rng.poisson(0.7)):
        place = rng.uniform(0, (width, height))
        radius = rng.uniform(40, 110)
        if np.hypot(*(middles - place).T).min() > radius + 20:
            away = np.hypot(x - place[0], y - place[1])
            light *= 1 - rng.uniform(0.3, 0.7) * (radius - away + 1).clip(0, 1)
    for _ in range(rng.poisson(12)):
        middle = rng.uniform(0, (width, height)).astype(int).tolist()
        cv2.circle(light, middle, int(rng.integers(1, 4)), rng.uniform(0.4, 0.8), cv2.FILLED)


def _photograph(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture, uint8: an uneven ground, blur and noise; film and camera reach white early."""
    height, width = light.shape
    slope_x, slope_y = rng.uniform(-0.03, 0.03, 2)
    ground = 1 + slope_x * np.linspace(-1, 1, width) + slope_y * np.linspace(-1, 1, height)[:, None]
    image = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.6, 1.1)) * ground * rng.uniform(238, 262)
    return np.asarray((image + rng.normal(0.0, rng.uniform(1.0, 3.0), image.shape)).clip(0, 255), np.uint8)
