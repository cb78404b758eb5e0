"""Words beside figures that look certain: without an interval, or of images that are all right or all wrong."""

from collections.abc import Mapping

from karyocyte.evaluation.metrics.classification import in_words
from karyocyte.evaluation.types.formats import ends
from karyocyte.evaluation.types.result import Interval

MOST_NAMES = 4  # beyond, the figures are counted
NO_WIDTH = "no interval: no resample of the {} differs in three digits"
TOO_FEW = "no interval: there are fewer than two {}"


def certainty_lines(metrics: Mapping[str, Interval], counted: str, drawn: str) -> list[str]:
    """Say which metrics have no interval, or none of a width that is written; alike ones are in a line.

    They are of so many images or subjects, ``counted``; what is ``drawn`` is independent, such as "subjects".
    """
    names_of: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        if words := _words(metric, drawn):
            names_of.setdefault(words, []).append(in_words(name)[0])
    lines = []
    for words, names in names_of.items():
        shown = ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} figures, {names[0]} first"
        lines.append(f"{shown}: {words}")
    accuracy = metrics.get("accuracy")
    if accuracy and accuracy.value in (0, 1):
        lines.insert(0, f"all {counted} are predicted {'right' if accuracy.value else 'wrong'}")
    return lines


def _words(metric: Interval, drawn: str) -> str:
    """Say why a figure that looks certain has no interval; "" of others."""
    if metric.value is None or ends(metric.low, metric.high):
        return ""
    if metric.low is not None:
        return NO_WIDTH.format(drawn)
    return TOO_FEW.format(drawn) if metric.value in (0, 1) else ""
