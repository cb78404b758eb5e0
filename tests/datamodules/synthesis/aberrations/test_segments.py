"""Pieces of chromosomes joined end to end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.synthesis.aberrations.axis import measure
from datamodules.synthesis.aberrations.segments import Piece, join, mismatch
from tests.datamodules.synthesis.drawn import banded, lines


def _axis(**drawn):
    return measure(banded(**drawn))


ONE, OTHER = _axis(lean=0.1), _axis(label="7", width=15, lean=-0.08)


@st.composite
def _pieces(draw):
    source = draw(st.sampled_from([ONE, OTHER]))
    start = draw(st.integers(0, 70))
    return Piece(source, start, draw(st.integers(start + 1, 80)), draw(st.booleans()))


@given(st.lists(_pieces(), min_size=1, max_size=4))
def test_joining_keeps_every_pixel_and_lets_the_middles_meet(pieces):
    pixels, mask, starts = join(pieces)
    expected = []
    for piece in pieces:
        source = piece.source.chromosome
        expected += lines(source.pixels, source.mask)[piece.start : piece.stop][:: -1 if piece.flipped else 1]
    assert lines(pixels, mask) == expected
    assert list(starts) == [0, *np.cumsum([piece.rows for piece in pieces])]
    assert (pixels[~mask] == 255).all()
    assert mask.any(axis=0).all()
    middles = [np.flatnonzero(row).mean() for row in mask]
    assert all(abs(middles[start] - middles[start - 1]) <= 0.5 for start in starts[1:-1])


def test_what_was_one_fits_without_a_mismatch():
    assert mismatch((Piece(ONE, 0, 33), Piece(ONE, 33, 60), Piece(ONE, 60, 80))) == 0.0


def test_the_worst_join_counts():
    good, bad = (Piece(ONE, 0, 24), Piece(ONE, 24, 80)), (Piece(ONE, 0, 16), Piece(ONE, 30, 80))
    assert mismatch((*good, *bad)) >= mismatch(bad) > 1


@pytest.mark.parametrize(
    ("why", "above", "below"),
    [
        ("broader by half", Piece(ONE, 0, 24), Piece(_axis(width=21), 24, 80)),
        ("dark on light", Piece(ONE, 0, 16), Piece(ONE, 30, 80)),
        ("leaning the other way", Piece(ONE, 0, 44), Piece(_axis(lean=-0.1), 44, 80)),
        # Gray meets gray, but beyond either edge it is dark: a thin light line would be seen.
        ("a border turned back", Piece(ONE, 0, 24), Piece(ONE, 0, 24, flipped=True)),
    ],
)
def test_edges_that_do_not_fit(why, above, below):
    assert mismatch((above, below)) > 1, why


def test_borders_of_the_same_sense_fit():
    upright, other = _axis(), _axis(label="7", width=15)
    # From dark to light at 24 and at 52: without what is between them the border is as it was; at 36 it is not.
    assert mismatch((Piece(upright, 0, 24), Piece(upright, 52, 80))) <= 1
    assert mismatch((Piece(upright, 0, 24), Piece(other, 52, 80))) <= 1
    assert mismatch((Piece(upright, 0, 24), Piece(upright, 36, 80))) > 1
    assert mismatch((Piece(upright, 0, 24), Piece(upright, 24, 52, flipped=True))) > 1
    assert mismatch((Piece(upright, 0, 24), Piece(upright, 24, 36, flipped=True))) <= 1
