"""How headings, numbers, intervals and tables are written: the same words above every figure and table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from karyocyte.runs.predictions import VALIDATION

SEPARATOR = "; "  # between the texts of a cell


def heading(about: dict[str, Any]) -> str:
    """Name run, protocol and fold, where ``about`` has them (or lists of them); mark synthetic images as SYNTHETIC."""
    facts = {key: joined(value) for key, value in about.items()}
    parts = [_short(facts.get("name", "")) or "unnamed run"]
    if about.get("synthetic"):
        parts.append("SYNTHETIC images")
    elif about.get("source"):
        # The two data sets are told apart where the images are not the run's own.
        parts.append("trained on " * bool(about.get("on")) + facts["source"])
    if about.get("on"):  # another data set than the run's
        parts.append(f"tested on {facts['on']}")
    if about.get("protocol"):
        parts.append(f"protocol {facts['protocol']}")
    if about.get("test") not in (None, "fold"):
        parts.append(f"tested on {facts['test']}")
    if facts.get("fold"):
        of_folds = f" of {about['folds']}" if isinstance(about.get("folds"), int) else ""
        parts.append(f"fold{'s' * (',' in facts['fold'])} {facts['fold']}{of_folds}")
    return " · ".join(parts)


def images_of(about: dict[str, Any]) -> str:
    """Name the images that were evaluated: "test images", or "validation images" in their place."""
    if about.get("on") == VALIDATION:
        return f"{VALIDATION} images"
    return "test images"


def _short(name: str) -> str:
    """Name the first member of a large ensemble only: no picture is as wide as eleven names."""
    kind, _, members = name.partition(": ")
    first, *others = members.split(", ")
    if len(others) > 1:
        return f"{kind}: {first} and {len(others)} more"
    return name


def listed(fact: Any) -> list[Any]:
    """Return the facts of several runs, which are a list where they differ; without those that are not known."""
    facts = fact if isinstance(fact, list) else [fact]
    return [each for each in facts if each is not None]


def joined(fact: Any, between: str = ", ") -> str:
    """Write a fact of one run, or the list of those of several, without what is not known."""
    return between.join(map(str, listed(fact)))


def number(value: float | None, sign: str = "", undefined: str = "-") -> str:
    """Write a value with three digits; ``sign`` is "+" for differences."""
    if value is None or pd.isna(value):
        return undefined
    return f"{value:{sign}.3f}"


def ends(low: float | None, high: float | None, sign: str = "", between: str = " to ") -> str:
    """Write the ends of an interval with three digits; "" where there is none, or one of no width as it is written."""
    if low is None or high is None or pd.isna(low) or pd.isna(high) or number(low) == number(high):
        return ""
    return f"{low:{sign}.3f}{between}{high:{sign}.3f}"


def interval(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    """Write a value and its interval with three digits, see ``ends``; ``sign`` is "+" for differences."""
    written = ends(low, high, sign)
    return number(value, sign, "undefined") + f" ({written})" * bool(written)


def of_folds(values: Sequence[float | None], digits: int = 2, unknown: float = np.nan) -> str:
    """Write what was chosen, such as a temperature, or the range of what several folds chose; for None ``unknown``."""
    known = pd.Series(values, dtype=float).fillna(unknown)
    return " to ".join(dict.fromkeys(f"{end:.{digits}f}" for end in (known.min(), known.max())))
