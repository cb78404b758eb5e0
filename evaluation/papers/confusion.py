"""Confusion matrices that the papers print: do the figures beside them follow?"""

from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple

METRICS = ("accuracy", "precision", "recall")


class Confusion(NamedTuple):
    """The image counts of a confusion matrix of two classes."""

    tp: int
    fp: int
    tn: int
    fn: int

    def __str__(self) -> str:
        return f"{self.tp:,} TP, {self.fp:,} FP, {self.tn:,} TN, {self.fn:,} FN"

    @property
    def images(self) -> int:
        """The number of images."""
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


def printed_confusion(claim: Mapping[str, str]) -> Confusion | None:
    """Return the matrix in the columns tp, fp, tn and fn of a row of results/claims.csv; None where none is printed."""
    if not claim["tp"]:
        return None
    return Confusion(int(claim["tp"]), int(claim["fp"]), int(claim["tn"]), int(claim["fn"]))


def printed_figures(claim: Mapping[str, str]) -> dict[str, str]:
    """Return the accuracy of a row of results/claims.csv and the precision, recall and AUC beside it, as printed."""
    figures = {"accuracy": claim["claimed"]}
    for name in ("precision", "recall", "auc"):
        if claim[name]:
            figures[name] = claim[name]
    return figures


def follows(figure: str, value: Fraction) -> bool:
    """Return whether a printed figure is the value, rounded or truncated to the figure's digits."""
    digits = Decimal(figure)
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return any(exact.quantize(digits, rounding=how) == digits for how in (ROUND_HALF_UP, ROUND_DOWN))


def contradictions(figures: Mapping[str, str], confusion: Confusion, images: int) -> list[str]:
    """Return what does not follow from a confusion matrix, in words; [] where all of it does.

    Args:
        figures: Printed figures by name; those outside `METRICS` (the AUC) cannot be checked.
        confusion: The matrix printed beside them.
        images: The number of test images according to the paper.
    """
    wrong = []
    if confusion.images != images:
        wrong.append(f"{confusion.images} of {images} test images")
    for name, value in confusion.metrics.items():
        if name in figures and not follows(figures[name], value):
            wrong.append(f"{name} {float(value):.3f}")
    return wrong
