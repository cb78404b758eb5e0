"""Single chromosomes out of a picture of a metaphase: which of the pixels in its box belong to each.

A pixel that differs from the ground belongs to one box only, that of which it is nearest to the middle, relative to the
sides. Of these pixels the largest connected part is the chromosome. A network, which reads each box as an image of one
size, knows it better.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cytogenetics.synthesis.metaphase import GROUND
from datamodules.preprocessing.background import on_black

SHRINK = 2.0  # pixels that no pixel of a chromosome is within, on each side of its box; annotators leave 6 +- 3
FAINT = 0.35  # the threshold of Otsu times this tells chromosomes from the ground: their light bands are above it, too
EDGE = 3  # pixels of white around a chromosome
SIDE = 64  # pixels of an image of a box
AROUND = 0.15  # of the longer side of the box, that an image shows on each of its sides
OWN, OTHER = 170, 85  # gray values in the channel of boxes; where a box meets others they add up
BEYOND = 4  # pixels that a chromosome may reach beyond its box
LEAST = 0.3  # probability of a pixel of the mask; chosen on validation pictures by the accuracy of the classes
SAME = 0.7  # intersection over union of two cut-outs: above, never two chromosomes in 60 pictures outside the test part
SPECK = 30  # pixels of an object, at least
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def network_picture(image: np.ndarray, scale: float) -> np.ndarray:
    """Scale a picture (uint8 RGB, shape (H, W, 3)) and return it gray, bright on black, uint8, shape (h, w)."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # By factors, not to a size, which is rounded: boxes are then scaled exactly.
    scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=method)
    return np.ascontiguousarray(cv2.cvtColor(on_black(scaled), cv2.COLOR_RGB2GRAY))


@dataclass(frozen=True, eq=False)
class CutOut:
    """One chromosome of a picture."""

    pixels: np.ndarray  # uint8 gray, shape (H, W), dark on white; white outside the mask
    mask: np.ndarray  # bool, shape (H, W)
    corner: tuple[int, int]  # x and y of the upper left corner in the picture

    @classmethod
    def of(cls, pixels: np.ndarray, mask: np.ndarray, corner: tuple[int, int]) -> "CutOut":
        """Take a part of a picture, bright on black, (H, W), at a corner, where the mask, bool, (H, W), is."""
        dark = np.where(mask, GROUND - pixels, GROUND).astype(np.uint8)
        x, y = corner
        return cls(np.pad(dark, EDGE, constant_values=GROUND), np.pad(mask, EDGE), (x - EDGE, y - EDGE))

    @property
    def outline(self) -> np.ndarray:
        """The outline in pixels of the picture, int32, shape (n, 2), x and y; empty where nothing is seen."""
        contours, _ = cv2.findContours(self.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if not contours:
            return np.zeros((0, 2), np.int32)
        return np.asarray(max(contours, key=cv2.contourArea)[:, 0] + self.corner, np.int32)


def cut_out(picture: np.ndarray, boxes: np.ndarray) -> list[CutOut]:
    """Cut out the chromosomes of a picture.

    Args:
        picture: uint8 gray, shape (H, W), bright on black, see `network_picture`.
        boxes: left, top, right, bottom in pixels, float32, shape (n, 4).

    Returns:
        One for each box, in their order; its mask is empty where the box holds nothing but ground.
    """
    smooth = cv2.GaussianBlur(picture, (3, 3), 0)
    threshold, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    seen = smooth > FAINT * threshold
    owners = _owners(boxes, picture.shape)
    cut = []
    for number, box in enumerate(boxes):
        left, top = np.floor(box[:2]).astype(int).clip(0).tolist()
        right, bottom = np.ceil(box[2:]).astype(int).tolist()
        inside = np.s_[top:bottom, left:right]
        own = owners[inside] == number
        mask = cv2.dilate(largest_part(seen[inside] & own), _NEIGHBOURS).astype(bool) & own
        cut.append(CutOut.of(picture[inside], mask, (left, top)))
    return cut


def _owners(boxes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return the box that each pixel is nearest to the middle of, relative to its sides; int64, (H, W), -1: none."""
    nearest = np.ones(shape)
    owners = np.full(shape, -1)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for number, (left, top, right, bottom) in enumerate(boxes + (SHRINK, SHRINK, -SHRINK, -SHRINK)):
        columns = slice(max(int(left), 0), max(int(right) + 1, 0))
        rows = slice(max(int(top), 0), max(int(bottom) + 1, 0))
        across = np.abs(x[:, columns] - (left + right) / 2) / max(right - left, 1) * 2
        down = np.abs(y[rows] - (top + bottom) / 2) / max(bottom - top, 1) * 2
        distance = np.maximum(across, down)
        nearer = distance < nearest[rows, columns]
        nearest[rows, columns][nearer] = distance[nearer]
        owners[rows, columns][nearer] = number
    return owners


def largest_part(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part of a mask, bool, shape (H, W), without holes; uint8, 0 or 1."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    part = np.zeros(mask.shape, np.uint8)
    if contours:
        cv2.drawContours(part, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return part


@dataclass(frozen=True, eq=False)
class BoxCrops:
    """The boxes of a picture."""

    # uint8, shape (n, 3, SIDE, SIDE): the picture, bright on black, the boxes, and the mask of ``cut_out``
    images: np.ndarray
    places: np.ndarray  # affine maps from pixels of the picture to those of the image, float64, shape (n, 2, 3)

    def masks(self, masks: Sequence[np.ndarray], corners: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return masks, bool, (H, W), with their upper left corners x and y in the picture: uint8, (n, SIDE, SIDE)."""
        drawn = [_warped(mask, place, corner) for mask, place, corner in zip(masks, self.places, corners, strict=True)]
        return np.array(drawn, np.uint8).reshape(-1, SIDE, SIDE) // 255


def cut_out_by(network: Callable[[np.ndarray], np.ndarray], picture: np.ndarray, boxes: np.ndarray) -> list[CutOut]:
    """Cut out as ``cut_out`` does, by what a network makes of `BoxCrops`: probabilities, float32, (n, SIDE, SIDE)."""
    if not len(boxes):
        return []
    crops = crop_boxes(picture, boxes)
    cut = []
    limits = np.array(picture.shape[1::-1] * 2)
    outwards = np.array([-BEYOND, -BEYOND, BEYOND, BEYOND])
    for box, place, probability in zip(boxes, crops.places, network(crops.images), strict=True):
        left, top, right, bottom = np.rint(box + outwards).astype(int).clip(0, limits).tolist()
        size = (right - left, bottom - top)
        back = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        within = cv2.warpAffine(probability, _moved(place, (left, top)), size, flags=back)
        mask = largest_part(within > LEAST).astype(bool)
        cut.append(CutOut.of(picture[top:bottom, left:right], mask, (left, top)))
    return cut


def crop_boxes(picture: np.ndarray, boxes: np.ndarray) -> BoxCrops:
    """Return the boxes of a picture, uint8 gray, (H, W), bright on black; they are float32, (n, 4), in its pixels."""
    images = np.zeros((len(boxes), 3, SIDE, SIDE), np.uint8)
    places = np.zeros((len(boxes), 2, 3))
    for number, (box, cut) in enumerate(zip(boxes, cut_out(picture, boxes), strict=True)):
        scale = SIDE / ((box[2:] - box[:2]).max() * (1 + 2 * AROUND))
        places[number, :, :2] = np.eye(2) * scale
        places[number, :, 2] = SIDE / 2 - scale * (box[:2] + box[2:]) / 2
        images[number, 0] = cv2.warpAffine(picture, places[number], (SIDE, SIDE))
        images[number, 1] = _box_channel(boxes, number, places[number])
        images[number, 2] = _warped(cut.mask, places[number], cut.corner)
    return BoxCrops(images, places)


def _box_channel(boxes: np.ndarray, own: int, place: np.ndarray) -> np.ndarray:
    corners = np.rint(boxes.reshape(-1, 2, 2) @ place[:, :2].T + place[:, 2]).astype(int).clip(0, SIDE)
    drawn = np.zeros((SIDE, SIDE))
    for number, ((left, top), (right, bottom)) in enumerate(corners.tolist()):
        drawn[top:bottom, left:right] += OWN if number == own else OTHER
    return drawn.clip(0, 255)


def _warped(mask: np.ndarray, place: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    return cv2.warpAffine(mask.astype(np.uint8) * 255, _moved(place, corner), (SIDE, SIDE), flags=cv2.INTER_NEAREST)


def _moved(place: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """Return the map from pixels of a part of the picture, whose corner x and y are given."""
    return np.column_stack([place[:, :2], place[:, :2] @ np.array(corner, float) + place[:, 2]])


def distinct(cuts: Sequence[CutOut], probabilities: np.ndarray) -> list[int]:
    """Return the rows of the cut-outs that are not of the same chromosome as a more probable one."""
    kept: dict[int, set[tuple[int, int]]] = {}
    for row in np.argsort(-probabilities, kind="stable").tolist():
        pixels = set(map(tuple, (np.argwhere(cuts[row].mask) + cuts[row].corner[::-1]).tolist()))
        if all(len(pixels & other) <= SAME * len(pixels | other) for other in kept.values()):
            kept[row] = pixels
    return sorted(kept)


def objects_in(picture: np.ndarray) -> tuple[np.ndarray, Sequence[int]]:
    """Return the objects of a picture, uint8 gray on black: a map of their numbers, and the numbers without specks."""
    threshold, _ = cv2.threshold(picture, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    _, labels, facts, _ = cv2.connectedComponentsWithStats((picture > threshold).astype(np.uint8))
    return labels, [number for number in range(1, len(facts)) if facts[number, cv2.CC_STAT_AREA] >= SPECK]


def count_outside(picture: np.ndarray, boxes: np.ndarray) -> int:
    """Count the objects of a picture of which less than half lies in boxes, such as nuclei and debris."""
    labels, objects = objects_in(picture)
    covered = np.zeros(labels.shape, bool)
    for left, top, right, bottom in boxes.round().astype(int):
        covered[top:bottom, left:right] = True
    areas, inside = np.bincount(labels.ravel()), np.bincount(labels[covered], minlength=labels.max() + 1)
    return int((2 * inside < areas)[objects].sum())
