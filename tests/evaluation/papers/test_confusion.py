"""What follows from a printed confusion matrix, and what does not."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.papers.confusion import Confusion, contradictions, follows, printed_confusion, printed_figures


def test_the_printed_columns_are_read():
    claim = {"claimed": "0.97", "precision": "0.98", "recall": "0.95", "auc": ""}
    claim |= {"tp": "56", "fp": "1", "tn": "56", "fn": "3"}
    assert printed_confusion(claim) == Confusion(56, 1, 56, 3)
    assert printed_figures(claim) == {"accuracy": "0.97", "precision": "0.98", "recall": "0.95"}
    assert printed_confusion({**claim, "tp": ""}) is None


@pytest.mark.parametrize(
    ("figure", "value", "expected"),
    [
        ("0.97", Fraction(136, 139), True),  # 0.9784, truncated
        ("0.98", Fraction(136, 139), True),  # rounded
        ("0.98", Fraction(133, 139), False),  # 0.957
        ("1.00", Fraction(1), True),
        ("0.5", Fraction(45, 100), True),  # half is rounded up
        ("0.999", Fraction(1), False),
    ],
)
def test_rounded_or_truncated(figure, value, expected):
    assert follows(figure, value) is expected


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 4))
def test_what_was_rounded_or_truncated_follows_and_what_is_further_off_does_not(part, more, digits):
    value, unit = Fraction(part, part + more), Fraction(1, 10**digits)
    below = (value // unit) * unit
    assert follows(f"{float(below):.{digits}f}", value)
    assert not follows(f"{float(below + 2 * unit):.{digits}f}", value)
    assert follows(f"{float(below + unit):.{digits}f}", value) is (value - below >= unit / 2)


def test_contradictions_are_named():
    right = {"accuracy": "0.83", "precision": "0.83", "recall": "0.56", "AUC": "0.10"}
    assert contradictions(right, Confusion(5, 1, 20, 4), 30) == []
    assert contradictions({"accuracy": "0.98", "precision": "0.93"}, Confusion(57, 4, 76, 2), 139) == ["accuracy 0.957"]
    assert contradictions({"accuracy": "0.97"}, Confusion(56, 1, 56, 3), 139) == ["116 of 139 test images"]
    assert contradictions({"precision": "0.00"}, Confusion(0, 0, 3, 1), 4) == []
