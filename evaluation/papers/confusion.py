"""What a paper claims, held against the confusion matrix that it prints: does the one follow from the other?"""

import re
from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple

METRICS = ("accuracy", "precision", "recall")


class Confusion(NamedTuple):
    """A confusion matrix of two classes: how many images fell where."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def images(self) -> int:
        """How many images there are in all."""
        return sum(self)

    @property
    def metrics(self) -> dict[str, Fraction]:
        """Accuracy, precision and recall, exactly; one without a denominator is left out."""
        parts = {
            "accuracy": (self.tp + self.tn, self.images),
            "precision": (self.tp, self.tp + self.fp),
            "recall": (self.tp, self.tp + self.fn),
        }
        return {name: Fraction(*part) for name, part in parts.items() if part[1]}


def read_confusion(note: str) -> Confusion | None:
    """Return the matrix that a note of results/claims.csv writes as "TP 5 FP 1 TN 20 FN 4"; None where none is."""
    found = re.search(r"TP (\d+) FP (\d+) TN (\d+) FN (\d+)", note)
    if found:
        return Confusion(*map(int, found.groups()))
    return None


def read_figures(note: str) -> dict[str, str]:
    """Return the figures of a note, such as {"precision": "0.83", "recall": "0.56", "AUC": "0.79"}, as printed."""
    return dict(re.findall(r"(precision|recall|AUC) (\d\.\d+)", note))


def follows(figure: str, value: Fraction) -> bool:
    """Tell whether a printed figure is the value, rounded or truncated to the figure's digits."""
    digits = Decimal(figure)
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return any(exact.quantize(digits, rounding=how) == digits for how in (ROUND_HALF_UP, ROUND_DOWN))


def contradictions(figures: Mapping[str, str], confusion: Confusion, images: int) -> list[str]:
    """Return what does not follow from a confusion matrix, in words; [] where all of it does.

    Args:
        figures: Printed figures by name; those that are no `METRICS` (the AUC) cannot be checked and are passed over.
        confusion: The matrix printed beside them.
        images: How many test images the paper says that it has.
    """
    if confusion.images == images:
        found = []
    else:
        found = [f"{confusion.images} of {images} test images"]
    values = confusion.metrics
    wrong = [
        name for name in METRICS if name in figures and name in values and not follows(figures[name], values[name])
    ]
    return found + [f"{name} {float(values[name]):.3f}" for name in wrong]
