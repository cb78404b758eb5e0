"""The boxes of a picture as images of one size, which a network reads the masks of chromosomes from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from cytogenetics.metaphases.data.cut_out import CutOut, cut_out, largest_part

SIDE = 64  # pixels of an image
AROUND = 0.15  # of the longer side of the box, that an image shows on each of its sides
OWN, OTHER = 170, 85  # gray values in the channel of boxes; where a box meets others they add up
BEYOND = 4  # pixels that a chromosome may reach beyond its box
LEAST = 0.3  # probability of a pixel of the mask; chosen on validation pictures by the accuracy of the classes


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

    def cut_out(self, picture: np.ndarray, boxes: np.ndarray, probabilities: np.ndarray) -> list[CutOut]:
        """Cut out the chromosomes by the probabilities of their pixels, float32, shape (n, SIDE, SIDE)."""
        cut = []
        limits = np.array(picture.shape[1::-1] * 2)
        outwards = np.array([-BEYOND, -BEYOND, BEYOND, BEYOND])
        for box, place, probability in zip(boxes, self.places, probabilities, strict=True):
            left, top, right, bottom = np.rint(box + outwards).astype(int).clip(0, limits).tolist()
            size = (right - left, bottom - top)
            back = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
            within = cv2.warpAffine(probability, _moved(place, (left, top)), size, flags=back)
            mask = largest_part(within > LEAST).astype(bool)
            cut.append(CutOut.of(picture[top:bottom, left:right], mask, (left, top)))
        return cut


def cut_out_by(network: Callable[[np.ndarray], np.ndarray], picture: np.ndarray, boxes: np.ndarray) -> list[CutOut]:
    """Cut out chromosomes as ``cut_out`` does, by a network's probabilities of the pixels of their boxes."""
    if not len(boxes):
        return []
    crops = crop_boxes(picture, boxes)
    return crops.cut_out(picture, boxes, network(crops.images))


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
