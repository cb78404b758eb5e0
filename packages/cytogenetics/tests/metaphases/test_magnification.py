"""A picture is looked at where its chromosomes have about the size of those of training."""

import cv2
import numpy as np
import pytest

from cytogenetics.metaphases.magnification import RANGE, USUAL, look_at_usual_size

COLUMNS = 7


def picture_of(side: int, count: int = 42) -> np.ndarray:
    """Dark bars of a length on white, far apart."""
    step = 2 * side
    picture = np.full((step * (count // COLUMNS), step * COLUMNS, 3), 250, np.uint8)
    for number in range(count):
        y, x = step * (number // COLUMNS) + side // 2, step * (number % COLUMNS) + side // 2
        picture[y : y + max(side // 3, 1), x : x + side] = 60
    return picture


class Finder:
    """Finds bars of a range of lengths, as a detector does, and notes the pictures that it sees."""

    def __init__(self, least: float, most: float = 1e9) -> None:
        self.least, self.most = least, most
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.seen.append(image.shape)
        dark = (image[..., 0] < 155).astype(np.uint8)
        x, y, width, height = cv2.connectedComponentsWithStats(dark)[2][1:, :4].T
        found = (width >= self.least) & (width <= self.most)
        boxes = np.column_stack([x, y, x + width, y + height])[found].astype(np.float32)
        return boxes, np.full(len(boxes), 0.9)


@pytest.mark.parametrize(
    ("side", "finder", "looks"),
    [
        (84, Finder(60, 130), 1),
        (70, Finder(60, 130), 1),  # near enough
        (34, Finder(20, 130), 2),  # its objects tell the size
        (30, Finder(60, 130), 2),  # nothing is found as it is
        (200, Finder(60, 130), 2),
        (60, Finder(10), 2),  # its boxes do
    ],
)
def test_chromosomes_get_the_usual_size_by_boxes_or_by_objects(side, finder, looks):
    look = look_at_usual_size(picture_of(side), finder, 4096)
    assert len(finder.seen) == looks
    assert len(look.sure) == 42
    assert (look.scale == 1) == (looks == 1)
    if looks > 1:
        assert np.median(look.sure[:, 2] - look.sure[:, 0]) == pytest.approx(USUAL, rel=0.05)
        assert look.image.shape[0] == pytest.approx(picture_of(side).shape[0] * look.scale, abs=1)


def test_of_two_sizes_that_counts_which_has_about_as_many_chromosomes():
    picture = picture_of(80)
    picture[:300, :400] = 60  # a nucleus, the largest object, hides six of them
    finder = Finder(60, 130)
    assert look_at_usual_size(picture, finder, 4096).scale == 1


def test_few_boxes_tell_no_size_and_no_picture_becomes_too_large():
    assert look_at_usual_size(picture_of(60, count=7), Finder(50, 70), 4096).scale == 1
    large = look_at_usual_size(picture_of(34), Finder(10), 600)
    assert max(large.image.shape) <= 600
    assert look_at_usual_size(picture_of(8), Finder(1), 4096).scale <= RANGE[1]
