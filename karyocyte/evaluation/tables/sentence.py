"""A result in a sentence: how good the model is, beside what it has to beat, and what it recognises least."""

import pandas as pd

from karyocyte.common.text import quoted
from karyocyte.evaluation.metrics.classification import headline_metric
from karyocyte.evaluation.tables.tables import metric_name
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.formats import ends, number
from karyocyte.evaluation.types.result import GAIN, EvaluationResult, Interval, Kind


def sentence(result: EvaluationResult) -> str:
    """Say how good the model is, beside chance or the best rule without a network, and what is weakest."""
    if not result.test.images:
        return "No labelled image was tested: nothing can be said of how good the model is."
    name = headline_metric(result.positive_class)
    words, measured = metric_name(name, result).words, result.metrics[name]
    if measured.value is None:
        return f"The {words} is undefined: a class has no test image."
    by, (least, gain) = _rival(result, name)
    lines = [f"The {words} is {measured}, {_verdict(measured, least, gain)} {by} ({number(least)})"]
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


def _verdict(measured: Interval, least: float, gain: Interval | None) -> str:
    """Compare a value with its rival's: with chance by its own interval, with a rule by that of the difference, `GAIN`.

    What is written alike is a tie; without an interval nothing is claimed.
    """
    if number(measured.value) == number(least):
        return "a tie with"
    judged, bar = (measured, least) if gain is None else (gain, 0.0)
    if judged.low is None or judged.high is None or not ends(judged.low, judged.high):
        return "beside"
    if judged.low > bar:
        return "better than"
    return "worse than" if judged.high < bar else "not shown to differ from"


def _rival(result: EvaluationResult, metric: str) -> tuple[str, tuple[float, Interval | None]]:
    """Return what a model has to beat, chance or the best rule without a network, how good that is, and its `GAIN`."""
    chance = 0.5 if metric == "auc" else max(result.test.class_counts.values()) / result.test.images
    rivals: dict[str, tuple[float, Interval | None]] = {"chance": (chance, None)}
    for name, metrics in result.sections(Kind.BASELINE).items():
        rivals[f"a rule on {name}"] = (metrics[metric].value or 0.0, metrics.get(GAIN, Interval(None)))
    return max(rivals.items(), key=lambda rival: rival[1][0])
