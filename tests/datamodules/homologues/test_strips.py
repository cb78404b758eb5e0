"""Chromosomes are straightened along their axes."""

import cv2
import numpy as np
import pytest

from datamodules.homologues.strips import Strips, half_widths, straighten


def bent(bow: float, height: int = 120, width: int = 64, length: int = 90) -> np.ndarray:
    """Draw a chromosome 12 pixels wide whose gray values rise along its axis, bent by ``bow`` pixels at its middle."""
    rows = np.arange(height)[:, None]
    columns = np.arange(width)
    v = (rows - height / 2) / (length / 2)
    middle = (width - 1) / 2 + bow * (1 - v**2)
    inside = (np.abs(v) <= 1) & (np.abs(columns - middle) <= 6)
    return np.where(inside, np.clip(150 + 80 * v, 0, 255), 0).astype(np.uint8)


@pytest.mark.parametrize("bow", [-10.0, 0.0, 10.0])
def test_a_bent_chromosome_becomes_straight(bow):
    strip, rows = straighten(bent(bow), 32, 20)
    assert strip.shape == (120, 32)
    assert 88 <= rows <= 98  # a bow is longer than its height
    mask = strip[5 : rows - 5] > 20
    middles = (mask * np.arange(32)).sum(axis=1) / mask.sum(axis=1)
    assert np.abs(middles - 15.5).max() < 1.5
    assert np.abs(mask.sum(axis=1) - 12).max() <= 2


def test_bands_stay_in_their_order_and_nothing_is_beyond_the_end():
    strip, rows = straighten(bent(8.0), 32, 20)
    profile = strip[3 : rows - 3, 12:20].mean(axis=1)
    assert np.corrcoef(profile, np.arange(len(profile)))[0, 1] > 0.99
    assert not strip[rows:].any()


def test_the_length_is_kept_where_a_chromosome_is_straight():
    image = np.zeros((100, 40), np.uint8)
    image[20:80, 15:25] = 200
    strip, rows = straighten(image, 24, 20)
    assert rows == 60
    assert half_widths(strip, 20)[5:55] == pytest.approx(5.0, abs=0.6)


def test_an_empty_image_has_no_rows():
    strip, rows = straighten(np.zeros((40, 20), np.uint8), 16, 20)
    assert rows == 0
    assert not strip.any()


def test_strips_are_found_by_their_manifest_rows():
    images = {row: np.repeat(cv2.flip(bent(0.0, length=40 + row), 0)[..., None], 3, axis=2) for row in (3, 7, 20)}
    rows = np.array([3, 7, 20])
    strips = Strips.load(images.__getitem__, rows, np.full(3, 0.25), 32, 20)
    assert strips.length.tolist() == pytest.approx([43, 47, 60], abs=1)
    assert strips.centromere.tolist() == pytest.approx((strips.length / 4).tolist())
    assert strips.positions(strips.rows[[2, 0]]).tolist() == [2, 0]
