"""The karyogram of an assigned cell."""

import numpy as np
import pytest

from cytogenetics.karyotypes.naming import MARKER
from cytogenetics.synthesis.assigned_karyogram import DOUBT, GAP, ROW_GAP, draw_karyogram
from karyocyte.common.karyotype import CHROMOSOMES
from tests.helpers.chromosomes import NUMBERS, bar

CANVAS = (64, 24)


def upright(number):
    """A bar on a canvas of 64 x 24."""
    canvas = np.zeros((*CANVAS, 3), np.uint8)
    pixels = bar(number)
    rows, columns = np.nonzero(pixels[..., 0])
    pixels = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    canvas[2 : 2 + pixels.shape[0], 8 : 8 + pixels.shape[1]] = pixels
    return canvas


def doubts(names, doubtful="", text=""):
    """What is written above each: only above that of the doubtful class."""
    return [text if name == doubtful else "" for name in names]


@pytest.mark.parametrize("classes", [CHROMOSOMES, ["21"], ["1"] * 70, ["X"], [*CHROMOSOMES, "Y", "Y"]])
def test_any_cell_is_drawn(classes):
    images = np.stack([upright(1 + CHROMOSOMES.index(name)) for name in classes])
    drawn = draw_karyogram(images, classes, doubts(classes))
    picture = drawn.pixels
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert (picture[0] == 255).all()
    dark = (picture[..., 0] < 200).sum()
    ink = (images[..., 0] > 60).sum()
    assert dark > 2 * ink  # at twice the scale
    assert not (picture == DOUBT).all(axis=-1).any()
    assert [drawn.places[place].chromosome for place in range(len(classes))] == list(classes)
    for place, name in drawn.places.items():
        inside = picture[name.y : name.y + name.height, name.x : name.x + name.width]
        assert (inside < 200).any(), place


def test_doubtful_chromosomes_are_outlined():
    images = np.stack([upright(number) for number in NUMBERS])
    plain = draw_karyogram(images, CHROMOSOMES, doubts(CHROMOSOMES)).pixels
    drawn = draw_karyogram(images, CHROMOSOMES, doubts(CHROMOSOMES, "21", "22?"))
    marked, place = drawn.pixels, drawn.places[CHROMOSOMES.index("21")]
    rows, columns = np.nonzero((plain != marked).any(axis=-1))
    outlined = (marked == DOUBT).all(axis=-1)
    assert outlined[place.y : place.y + place.height, [place.x, place.x + place.width]].all()
    assert outlined[[place.y, place.y + place.height], place.x : place.x + place.width].all()
    name = (marked != 255).any(axis=-1) & (plain == 255).all(axis=-1)
    name[place.y - 1 : place.y + place.height + 2] = False
    # The doubt is written right above the outline, and touches it nowhere.
    heights, across = np.nonzero(name)
    assert place.y - 24 < heights.min() < heights.max() <= place.y - 4
    assert across.min() >= place.x
    # In the last row and right of the 19 and 20.
    assert rows.min() > 0.6 * len(plain)
    assert columns.min() > 0.3 * plain.shape[1]


def test_order_of_the_images_does_not_matter():
    images = np.stack([upright(number) for number in NUMBERS])
    order = np.random.default_rng(0).permutation(len(images))
    names = [CHROMOSOMES[place] for place in order]
    shuffled = draw_karyogram(images[order], names, doubts(names, "4", "5?"))
    straight = draw_karyogram(images, CHROMOSOMES, doubts(CHROMOSOMES, "4", "5?"))
    assert np.array_equal(shuffled.pixels, straight.pixels)
    assert all(shuffled.places[place] == straight.places[number] for place, number in enumerate(order))


def test_empty_picture_is_passed_over():
    images = np.stack([upright(1), np.zeros((*CANVAS, 3), np.uint8)])
    drawn = draw_karyogram(images, ["1", "2"], ["", "3?"])
    assert list(drawn.places) == [0]
    assert np.array_equal(drawn.pixels, draw_karyogram(images[:1], ["1"], [""]).pixels)


def test_markers_are_named_below_themselves():
    images = np.stack([upright(1), upright(3)])
    plain = draw_karyogram(images[:1], ["1"], [""]).pixels
    band = draw_karyogram(images, ["1", MARKER], ["", ""]).pixels[len(plain) :, :, 0]
    ink = np.flatnonzero((band < 200).any(axis=1))
    last = int(ink[np.diff(ink, append=ink[-1] + 99) > 1][0])  # of the marker
    columns = [np.flatnonzero((part < 200).any(axis=0)) for part in (band[: last + 1], band[last + 1 :])]
    assert ink[-1] - last == pytest.approx(ROW_GAP / 2, abs=4)  # apart from the marker and from the edge
    assert abs(columns[0][0] - columns[1][0]) < GAP
