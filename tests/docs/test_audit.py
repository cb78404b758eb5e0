"""What the audit of the claims marks, on made-up figures and on the papers' own."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.audit import audit, follows, holds
from karyocyte.common.paths import ROOT


@pytest.mark.parametrize(
    ("equations", "expected"),
    [
        ("0.97=136/139", True),  # 0.9784, truncated
        ("0.98=136/139", True),  # rounded
        ("0.98=133/139", False),  # 0.957
        ("1.00=3/3", True),
        ("0.5=45/100", True),  # half is rounded up
        ("0.999=1/1", False),
        ("146=105+41", True),
        ("146=105+42", False),
        ("60000=70000", False),
        ("0.90=0.9; 4<=4", True),
        ("0.90=0.9; 5<=4", False),
        ("9+2=1+2*5", True),
        ("0.5=(2*1/3+1*1/3)/2", True),
    ],
)
def test_equations_hold_exactly_or_to_the_digits_of_a_share(equations, expected):
    assert holds(equations) is expected


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 4))
def test_what_was_rounded_or_truncated_follows_and_what_is_further_off_does_not(part, more, digits):
    value, unit = Fraction(part, part + more), Fraction(1, 10**digits)
    below = (value // unit) * unit
    assert follows(f"{float(below):.{digits}f}", value)
    assert not follows(f"{float(below + 2 * unit):.{digits}f}", value)
    assert follows(f"{float(below + unit):.{digits}f}", value) is (value - below >= unit / 2)


def test_the_papers():
    """Paper 001: two rows of its table, trainable parameters of frozen networks; 002, 003: sums; 004: two results."""
    table = audit(ROOT / "results")
    failed = table[~table["follows"]]
    rows = failed[failed["kind"] == "confusion matrix"].set_index("what")["remark"].to_dict()
    assert rows == {"karyogram_vgg16": "116 of 139 test images", "karyogram_vgg16_last2": "accuracy 0.957"}
    sums = {"132,097", "525,313", "69,730", "13,820"}
    assert set(failed.loc[failed["kind"] == "sum", "recomputed"]) == sums
    assert failed.loc[failed["paper"] == "004", "printed"].tolist() == [
        "0.9183; 0.9108",
        "the vast majority at most 300 x 300; 6,190 of 6,396 at least 300 x 300",
    ]
    assert len(table) == 90
    assert len(failed) == 13
