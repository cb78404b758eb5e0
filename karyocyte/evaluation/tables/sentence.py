"""A result in a sentence: how good the model is, beside what it has to beat, and what it recognises least."""

from operator import itemgetter

import pandas as pd

from karyocyte.common.text import quoted
from karyocyte.evaluation.metrics.classification import headline_metric
from karyocyte.evaluation.tables.tables import metric_name
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.formats import ends, number
from karyocyte.evaluation.types.result import EvaluationResult, Interval, Kind


def sentence(result: EvaluationResult) -> str:
    """Say how good the model is, beside chance or the best rule without a network, and what is weakest."""
    if not result.test.images:
        return "No labelled image was tested: nothing can be said of how good the model is."
    name = headline_metric(result.positive_class)
    words, measured = metric_name(name, result).words, result.metrics[name]
    if measured.value is None:
        return f"The {words} is undefined: a class has no test image."
    by, least = _rival(result, name)
    lines = [f"The {words} is {measured}, {_verdict(measured, least)} {by} ({number(least)})"]
    recalls = pd.Series({each: result.metrics[f"recall/{each}"].value for each in result.classes}, dtype=float)
    if recalls.notna().any():
        lines.append(_least_recognised(recalls.dropna()))
    for words, figure in shown(result).figures.items():
        lines.append(f"{figure} of the {words}")
    return "; ".join(lines) + "."


def _least_recognised(recalls: pd.Series) -> str:
    """Name the class with the lowest recall, or all classes that have it as it is written."""
    value = number(recalls.min())
    least = recalls.index[recalls.map(number) == value]
    if 1 < len(least) == len(recalls):
        return f"all classes are recognised equally often ({value})"
    return f"recognised least: {', '.join(map(quoted, least))} ({value})"


def _verdict(measured: Interval, least: float) -> str:
    """Compare a value with its rival's by the interval: the value alone may be higher or lower by chance.

    What is written alike is a tie; without an interval nothing is claimed.
    """
    if number(measured.value) == number(least):
        return "a tie with"
    if measured.low is None or measured.high is None or not ends(measured.low, measured.high):
        return "beside"
    if measured.low > least:
        return "better than"
    return "worse than" if measured.high < least else "not shown to differ from"


def _rival(result: EvaluationResult, metric: str) -> tuple[str, float]:
    """Return what a model has to beat, chance or the best rule without a network, and how good that is."""
    rivals = {"chance": 0.5 if metric == "auc" else max(result.test.class_counts.values()) / result.test.images}
    for name, metrics in result.sections(Kind.BASELINE).items():
        rivals[f"a rule on {name}"] = metrics[metric].value or 0.0
    return max(rivals.items(), key=itemgetter(1))
