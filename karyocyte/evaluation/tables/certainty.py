"""Words beside figures that look certain: of exactly 0 or 1, or that no resample changes."""

from collections.abc import Mapping

from karyocyte.evaluation.types.formats import ends
from karyocyte.evaluation.types.result import Interval

BY_COUNTS = ("exact", "binomial")  # methods of intervals by Clopper and Pearson
MOST_NAMES = 4  # beyond, the figures are counted
NO_WIDTH = "no interval: no resample of the {} differs in three digits"


def certainty_lines(metrics: Mapping[str, Interval], counted: str, drawn: str) -> list[str]:
    """Say which metrics are exactly 0 or 1, or have an interval that is not written; alike ones are in a line.

    They are of so many images or subjects, ``counted``; what is ``drawn`` is independent, such as "subjects".
    """
    names_of: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        if words := _words(metric, drawn):
            names_of.setdefault(words, []).append(name)
    lines = []
    for words, names in names_of.items():
        shown = ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} figures, {names[0]} first"
        lines.append(f"{shown}: {words}")
    accuracy = metrics.get("accuracy")
    if accuracy and accuracy.value in (0, 1):
        lines.insert(0, f"all {counted} are predicted {'right' if accuracy.value else 'wrong'}")
    return lines


def _words(metric: Interval, drawn: str) -> str:
    """Say what a figure that looks certain rests on; "" of others."""
    if metric.value is None:
        return ""
    has_no_width = metric.low is not None and not ends(metric.low, metric.high)
    if metric.value not in (0, 1):
        return NO_WIDTH.format(drawn) if has_no_width else ""
    exactly = f"exactly {metric.value:g}"
    if metric.low is None:
        return f"{exactly}, without an interval: there are fewer than two {drawn}"
    if metric.method in BY_COUNTS:
        return f"{exactly}, interval by Clopper and Pearson"
    return f"{exactly}, {NO_WIDTH.format(drawn)}" if has_no_width else exactly
