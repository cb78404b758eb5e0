"""Closing the empty gaps of a karyogram: no ink is lost, and a second time nothing changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.io.decode import read_image
from datamodules.preprocessing.karyogram_compaction import compact
from tests.helpers.real_data import real_data
from tests.helpers.sheets import toy_sheet

GROUND = np.array([240, 250, 245], np.uint8)


def sheet_of(blobs, height=140, width=260) -> np.ndarray:
    """A sheet with inked blobs (top, left, height, width, gray) on a light ground, its border free."""
    sheet = np.tile(GROUND, (height, width, 1))
    for top, left, tall, wide, gray in blobs:
        sheet[1 + top : min(1 + top + tall, height - 1), 1 + left : min(1 + left + wide, width - 1)] = gray
    return sheet


def ink(image: np.ndarray) -> list[int]:
    """All pixels that are not ground, sorted."""
    return sorted(image[(image != GROUND).any(axis=2)][:, 0].tolist())


BLOBS = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 235), st.integers(7, 30), st.integers(7, 20), st.integers(0, 200)),
    min_size=1,
    max_size=12,
)


@given(blobs=BLOBS, gap=st.integers(1, 25))
@settings(max_examples=150, deadline=None)
def test_every_inked_pixel_is_kept_no_gap_stays_wider_and_a_second_time_changes_nothing(blobs, gap):
    sheet = sheet_of(blobs)
    once = compact(sheet, gap)
    assert ink(once) == ink(sheet)
    assert once.shape[0] <= sheet.shape[0]
    assert once.shape[1] <= sheet.shape[1]
    rows = (once != GROUND).any(axis=(1, 2))
    assert np.diff(np.flatnonzero(np.concatenate([[True], rows, [True]]))).max() <= gap + 1
    assert np.array_equal(compact(once, gap), once)


def test_gaps_between_rows_and_within_each_row_are_cut():
    first, second = (10, 10, 20, 10, 50), (10, 80, 20, 10, 60)
    below = (70, 40, 20, 10, 70)
    done = compact(sheet_of([first, second, below]), 4)
    assert done.shape == (4 + 20 + 4 + 20 + 4, 4 + 10 + 4 + 10 + 4, 3)
    assert (done[4:24, 4:14] == 50).all()
    assert (done[4:24, 18:28] == 60).all()
    assert (done[28:48, 4:14] == 70).all()
    assert (done[28:48, 18:] == GROUND).all()  # the shorter row is filled with the ground


def test_labels_stay_below_their_chromosomes():
    chromosomes = [(10, 10, 30, 8, 50), (10, 100, 30, 8, 50)]
    labels = [(50, 12, 6, 4, 0), (50, 102, 6, 4, 0)]
    done = compact(sheet_of(chromosomes + labels), 3)
    columns = np.flatnonzero((done[..., 0] == 0).any(axis=0))
    of_chromosomes = np.flatnonzero((done[..., 0] == 50).any(axis=0))
    assert (columns - of_chromosomes[0]).tolist() == [2, 3, 4, 5, 13, 14, 15, 16]


def test_a_ruled_line_keeps_no_gap_open():
    chromosomes = [(10, 10, 30, 8, 50), (10, 100, 30, 8, 50)]
    plain = compact(sheet_of(chromosomes), 3)
    crossed = sheet_of([(20, 0, 2, 200, 90), *chromosomes])
    assert compact(crossed, 3).shape == plain.shape
    assert (compact(crossed, 3)[..., 0] == 90).any()
    below = compact(sheet_of([*chromosomes, (42, 0, 2, 200, 90)]), 3)
    assert below.shape == plain.shape


def test_the_noise_of_jpeg_is_no_ink():
    sheet = sheet_of([(10, 10, 20, 10, 50), (80, 100, 20, 10, 50)])
    rng = np.random.default_rng(0)
    noisy = np.clip(sheet + rng.integers(-20, 6, sheet.shape), 0, 255).astype(np.uint8)
    assert compact(noisy, 5).shape == compact(sheet, 5).shape


def test_an_empty_sheet_stays_and_a_karyogram_becomes_smaller():
    empty = sheet_of([])
    assert compact(empty, 5) is empty
    sheet, _ = toy_sheet()
    height, width = compact(sheet, 2).shape[:2]
    assert height < 0.8 * sheet.shape[0]
    assert width < 0.6 * sheet.shape[1]


@pytest.mark.parametrize("gap", [6, 12])
def test_real_karyograms_become_smaller(gap):
    for path in sorted(real_data("karyograms").rglob("*.*p*g")):
        image = read_image(path)
        done = compact(image, gap)
        assert np.array_equal(compact(done, gap), done)
        assert done[..., 0].size < 0.9 * image[..., 0].size
        dark, still = ((picture.min(axis=2) < 100).sum() for picture in (image, done))
        assert still > 0.9 * dark  # of ruled lines a part goes
