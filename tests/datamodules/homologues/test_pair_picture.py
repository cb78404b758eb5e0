"""Pictures of two homologues."""

import numpy as np
import pytest

from datamodules.homologues.pair_picture import COLOUR, SCALE, TRUTH, alignment, draw_comparison, draw_pair

HEIGHT, WIDTH = 64, 16


def pair(lengths=(40, 40), moved=0):
    """Two chromosomes with the same bands in the middle of their images; the bands of the second are moved down."""
    bands = np.random.default_rng(0).uniform(0.2, 1.0, HEIGHT)
    image = np.zeros((2, HEIGHT, WIDTH))
    for number, length in enumerate(lengths):
        top = (HEIGHT - length) // 2
        image[number, top : top + length, 4:12] = np.roll(bands, moved * number)[top : top + length, None]
    return image, np.array(lengths, float)


@pytest.mark.parametrize("moved", [-5, 0, 4])
def test_bands_are_aligned(moved):
    image, length = pair(moved=moved)
    assert alignment(image, length) == -moved


def test_the_place_is_marked_on_both_sides():
    image, length = pair()
    place = np.zeros((2, 16))
    place[0, 5] = place[1, 9] = 1.0
    picture = draw_pair(image, length, place, 0.4)
    assert picture.dtype == np.uint8
    assert len(picture) <= SCALE * (HEIGHT + 10)
    left, right = (picture[:, column].astype(int) for column in (2, -3))
    for column, token in ((left, 5), (right, 9)):
        coloured = np.flatnonzero(np.abs(column - COLOUR).max(axis=1) < 20)
        first = (HEIGHT - 40) / 2  # the picture begins with the chromosome, or with its margin
        assert coloured.mean() / SCALE == pytest.approx(4 * (token + 0.5) - first, abs=2)


def test_nothing_is_marked_beyond_the_ends():
    image, length = pair()
    place = np.zeros((2, 16))
    place[:, 0] = 1.0  # above the chromosome
    place[:, 8] = 0.5
    picture = draw_pair(image, length, place, 0.4)
    assert not (np.abs(picture[:, 2].astype(int) - COLOUR).max(axis=1) < 5)[: SCALE * 10].any()


def test_images_without_a_chromosome_are_drawn():
    assert draw_pair(np.zeros((2, HEIGHT, WIDTH)), np.zeros(2), np.zeros((2, 16)), 0.4).ndim == 3


def test_true_and_found_places_are_on_the_sides_of_each_chromosome():
    image, _ = pair((40, 30))
    truth, place = np.zeros((2, 16)), np.zeros((2, 16))
    truth[0, 6:8] = 1
    place[1, 8:10] = 1
    picture = draw_comparison(image, image[1], truth, place).astype(int)

    def coloured(colour):
        return np.abs(picture - colour).max(axis=2) < 5

    true, found = coloured(TRUTH), coloured(COLOUR)
    middle = picture.shape[1] // 2
    assert true.any()
    assert np.flatnonzero(true.any(axis=0)).max() < middle
    assert found.any()
    assert np.flatnonzero(found.any(axis=0)).min() > middle
    assert true.any(axis=1).sum() == pytest.approx(8 * SCALE, abs=2 * SCALE)
    assert picture.shape[0] == pytest.approx(SCALE * 48)


def test_a_comparison_of_empty_images_is_drawn():
    assert draw_comparison(np.zeros((2, HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH)), *np.zeros((2, 2, 16))).ndim == 3
