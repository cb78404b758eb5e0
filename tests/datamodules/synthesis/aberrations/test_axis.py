"""Which chromosomes can be cut along rows, and where."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.synthesis.aberrations.axis import COLUMNS, measure
from datamodules.synthesis.ideogram import IDEOGRAM
from datamodules.synthesis.metaphase import trim
from tests.datamodules.synthesis.drawn import banded


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
    assert 24 not in _axis(edges=(5, centromere, 40, 77)).cuts
    cuts = _axis(edges=(5, centromere, 40, 77)).cuts
    assert len(cuts) > 0
    assert set(cuts) <= {39, 40, 41}


def test_a_chromosome_is_measured_row_by_row():
    axis = _axis(lean=0.1)
    assert (axis.widths == 14).all()
    assert axis.rows == 80
    assert axis.centromere == pytest.approx(80 * IDEOGRAM["5"].short_arm)
    assert axis.slopes[10:-10] == pytest.approx(0.1, abs=0.05)
    assert axis.textures.shape == (80, COLUMNS)
    assert axis.textures[16] == pytest.approx(80, abs=1)
    assert axis.changes[24] > 10
    assert axis.changes[36] < -10


@pytest.mark.parametrize(
    ("why", "drawn"),
    [
        ("a small class", {"label": "21"}),
        ("Y", {"label": "Y"}),
        ("few rows", {"rows": 30, "edges": (10, 20), "width": 8}),
        ("broad", {"width": 50}),
        ("leaning", {"lean": 0.3}),
    ],
)
def test_what_is_not_fit(why, drawn):
    assert _axis(**drawn) is None, why


@pytest.mark.parametrize(
    ("why", "hole", "fit"),
    [
        ("a cleft tip", np.s_[76:80, 6:8], True),
        ("a cleft elsewhere", np.s_[40:41, 6:8], False),
        ("a gap between two parts", np.s_[3], False),
    ],
)
def test_a_tip_may_be_cleft_the_rest_not(why, hole, fit):
    whole = trim(banded())
    mask = whole.mask.copy()
    mask[hole] = False
    assert (measure(replace(whole, mask=mask)) is not None) == fit, why


def test_trimming_leaves_the_chromosome_and_nothing_else():
    wide = banded()
    wide = replace(wide, pixels=np.pad(wide.pixels, 5, constant_values=255), mask=np.pad(wide.mask, 5))
    wide = replace(wide, changed=wide.mask.copy())
    trimmed = trim(wide)
    assert trimmed.mask.shape == trimmed.pixels.shape == trimmed.changed.shape == (80, 14)
    assert trimmed.mask.all()
    assert np.array_equal(trimmed.pixels[:, 0], banded().pixels[:, 1])
