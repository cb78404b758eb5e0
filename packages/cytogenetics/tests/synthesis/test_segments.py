"""Which chromosomes can be cut along rows, and where; pieces of chromosomes joined end to end."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytogenetics.synthesis.ideogram import IDEOGRAM
from cytogenetics.synthesis.metaphase import trim
from cytogenetics.synthesis.segments import Piece, join, measure, mismatch
from packages.cytogenetics.tests.synthesis.drawn import banded, lines


def _axis(**drawn):
    return measure(banded(**drawn))


@given(first=st.integers(8, 14), gaps=st.lists(st.integers(8, 14), min_size=3, max_size=4))
def test_cuts_lie_at_the_borders_of_bands(first, gaps):
    edges = np.cumsum([first, *gaps])
    axis = _axis(label="1", rows=80, edges=edges)
    near = np.abs(np.array(axis.cuts)[:, None] - edges).min(axis=1)
    assert near.max() <= 2
    away = [edge for edge in edges if abs(edge - axis.centromere) > 6 and 8 <= edge <= 71]
    assert all(np.abs(np.array(axis.cuts) - edge).min() <= 1 for edge in away)


def test_no_cut_is_at_the_centromere_or_in_a_tip():
    centromere = round(IDEOGRAM["5"].short_arm * 80)
    cuts = set(_axis(edges=(5, centromere, 40, 77)).cuts)
    assert 0 < len(cuts & {39, 40, 41}) == len(cuts)


@pytest.mark.parametrize(
    ("why", "drawn"),
    [
        ("a small class", {"label": "21"}), ("Y", {"label": "Y"}),
        ("few rows", {"rows": 30, "edges": (10, 20), "width": 8}), ("broad", {"width": 50}),
        ("leaning", {"lean": 0.3}),
    ],
)  # fmt: skip
def test_what_is_not_fit(why, drawn):
    assert _axis(**drawn) is None, why


@pytest.mark.parametrize(
    ("why", "hole", "fit"),
    [
        ("a cleft tip", np.s_[76:80, 6:8], True), ("a cleft elsewhere", np.s_[40:41, 6:8], False),
        ("a gap between two parts", np.s_[3], False),
    ],
)  # fmt: skip
def test_a_tip_may_be_cleft_the_rest_not(why, hole, fit):
    whole = trim(banded())
    mask = whole.mask.copy()
    mask[hole] = False
    assert (measure(replace(whole, mask=mask)) is not None) == fit, why


ONE, OTHER = _axis(lean=0.1), _axis(label="7", width=15, lean=-0.08)


@st.composite
def _pieces(draw):
    source = draw(st.sampled_from([ONE, OTHER]))
    start = draw(st.integers(0, 70))
    return Piece(source, start, draw(st.integers(start + 1, 80)), draw(st.booleans()))


@given(st.lists(_pieces(), min_size=1, max_size=4))
def test_joining_keeps_every_pixel_and_lets_the_middles_meet(pieces):
    pixels, mask = join(pieces)
    expected = []
    for piece in pieces:
        source = piece.source.chromosome
        expected += lines(source.pixels, source.mask)[piece.start : piece.stop][:: -1 if piece.flipped else 1]
    assert lines(pixels, mask) == expected
    assert (pixels[~mask] == 255).all()
    assert mask.any(axis=0).all()
    middles = [np.flatnonzero(row).mean() for row in mask]
    starts = np.cumsum([piece.rows for piece in pieces])[:-1]
    assert all(abs(middles[start] - middles[start - 1]) <= 0.5 for start in starts)


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
