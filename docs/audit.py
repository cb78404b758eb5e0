"""Audit of the claims: printed figures recomputed from others that the paper prints."""

import ast
import operator
import re
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.evaluation.comparison.claims import read_claims, read_table

COLUMNS = ("paper", "section", "what", "kind", "printed", "recomputed", "follows", "remark")
_SHARE = re.compile(r"\d*\.\d+")
_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def audit(results: Path, papers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Check every printed figure that follows from others: the rows of claims/checks.csv, by their ``equations``.

    Kinds: a ``confusion matrix`` against accuracy, precision and recall; ``precision and recall`` of both classes,
    from which the matrix follows, since a recall is a whole number of the class's images; a ``share`` that must be a
    whole number of images (the GRIM test; Brown and Heathers, Social Psychological and Personality Science 8(4),
    2017); a ``sum``; a figure that is printed ``twice``; a list of ``wrong cases``, no longer than those of a matrix;
    and how many images are ``missed by k`` models.

    ``results`` is the folder with ``claims.csv`` and ``claims/``. Returns a row per check, in COLUMNS; ``follows`` is
    bool, the others are text. A ``UserError`` names a missing table, an unreadable equation or an unknown paper.
    """
    read_claims(results, papers)  # refuses unknown papers
    table = read_table(results, "checks")
    if papers:
        table = table[table["paper"].isin(papers)]
    return table.assign(follows=table["equations"].map(holds).astype(bool)).reset_index(drop=True)[list(COLUMNS)]


def holds(equations: str) -> bool:
    """Tell whether all equations hold, such as "146=105+41; 0.97=112/116; 4<=4".

    A printed share, left of "=", holds where the value is rounded or truncated to its digits.
    """
    return all(map(_holds, equations.split(";")))


def _holds(equation: str) -> bool:
    left, at_most, right = equation.strip().partition("<=")
    if at_most:
        return value(left) <= value(right)
    left, _, right = left.partition("=")
    if _SHARE.fullmatch(left):
        return follows(left, value(right))
    return value(left) == value(right)


def follows(figure: str, exact: Fraction) -> bool:
    """Return whether a printed share is the value, rounded or truncated to the figure's digits."""
    digits = Decimal(figure)
    decimal = Decimal(exact.numerator) / Decimal(exact.denominator)
    return any(decimal.quantize(digits, rounding=how) == digits for how in (ROUND_HALF_UP, ROUND_DOWN))


def value(expression: str) -> Fraction:
    """Compute sums, products and quotients of numbers, exactly; a ``UserError`` names what is none."""
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, TypeError, KeyError, ZeroDivisionError) as error:
        raise UserError(f"claims/checks.csv: {expression!r} is no sum, product or quotient of numbers") from error


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.Constant):
        return Fraction(str(node.value))
    raise TypeError(node)
