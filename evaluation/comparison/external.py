"""One model inside and outside: its figures on the set that it learned from beside those on another set."""

from collections.abc import Mapping
from math import hypot, isnan

import pandas as pd
from rich.console import Group
from rich.text import Text

from evaluation.core.headings import heading
from evaluation.terminal import frame_table

SHOWN = ("auc", "accuracy", "balanced_accuracy", "f1_weighted", "f1_macro", "sensitivity", "specificity")
COLUMNS = ("metric", *(f"{side}{end}" for side in ("inside", "outside", "difference") for end in ("", "_low", "_high")))


def beside(inside: dict, outside: dict) -> pd.DataFrame:
    """Compare the evaluations of one model on two data sets.

    The difference is outside minus inside. Where the two sets have no image in common, its interval is had from the two
    intervals, whatever made them: the square-and-add limits (Newcombe 1998, method 10; Zou and Donner 2008). Where the
    other set holds test images of the run (``about["external"]["in_own_test"]``) it has none.

    Args:
        inside: The evaluation of the run on its own data.
        outside: That of the same run on another data set.

    Returns:
        A row per metric that both have: at 0.5, at the threshold of the run's validation images
        (``<metric>@threshold``) and of joint assignment (``<metric>_assigned``); the columns COLUMNS, NaN where a
        value or a limit is undefined.
    """
    ours = _metrics(inside)
    theirs = _metrics(outside)
    shared = bool((outside["about"].get("external") or {}).get("in_own_test"))
    rows = []
    for name in [name for name in ours if name in theirs]:
        gap = difference(ours[name], theirs[name])
        sides = (ours[name], theirs[name], gap | {"low": None, "high": None} if shared else gap)
        rows.append((name, *(side[end] for side in sides for end in ("value", "low", "high"))))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS[1:], float))


def difference(inside: Mapping[str, float | None], outside: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return ``value``, ``low`` and ``high`` of outside minus inside; None where undefined."""
    (one, one_low, one_high), (two, two_low, two_high) = (
        [side[end] for end in ("value", "low", "high")] for side in (inside, outside)
    )
    if one is None or two is None:
        return {"value": None, "low": None, "high": None}
    gap = two - one
    if None in (one_low, one_high, two_low, two_high):
        return {"value": gap, "low": None, "high": None}
    low = gap - hypot(two - two_low, one_high - one)
    high = gap + hypot(two_high - two, one - one_low)
    return {"value": gap, "low": low, "high": high}


def is_compared(metric: str) -> bool:
    """Tell whether a metric, at 0.5, at the threshold or of joint assignment, is one that sets are compared by."""
    name = metric.removesuffix("@threshold").removesuffix("_assigned")
    return name in SHOWN and metric != "auc@threshold"  # no threshold moves the AUC


def beside_table(inside: dict, outside: dict) -> Group:
    """Draw ``beside`` for the terminal: the metrics that are compared most, and what they must not be taken for."""
    frame = beside(inside, outside)
    frame = frame[frame["metric"].map(is_compared)]
    names = [name.replace("@", "\nat the ").replace("_assigned", "\njointly assigned") for name in frame["metric"]]
    shown = pd.DataFrame({"test metric": names}, frame.index)
    for side, title, sign in (("inside", "inside", ""), ("outside", "outside", ""), ("difference", "gap", "+")):
        shown[title] = [_with_limits(*row, sign) for row in frame[[side, f"{side}_low", f"{side}_high"]].to_numpy()]
    lines = [f"inside:  {heading(inside['about'])}", f"outside: {heading(outside['about'])}", _shares(inside, outside)]
    return Group(frame_table(shown, "the set it learned from, and another"), *map(Text, lines))


def _metrics(result: dict) -> dict[str, dict]:
    test = result["test"]
    assignment = result.get("assignment") or {"metrics": {}}
    at_threshold = {f"{name}@threshold": one for name, one in (test["metrics_at_threshold"] or {}).items()}
    return {**test["metrics"], **at_threshold, **assignment["metrics"]}


def _with_limits(value: float, low: float, high: float, sign: str) -> str:
    if isnan(value):
        return "-"
    return f"{value:{sign}.3f}" + ("" if isnan(low) or isnan(high) else f"\n{low:{sign}.3f} to {high:{sign}.3f}")


def _shares(inside: dict, outside: dict) -> str:
    """Say how the classes are mixed, which accuracy, precision and weighted F1 depend on."""
    counts = [result["test"]["class_counts"] for result in (inside, outside)]
    if not inside["positive_class"]:
        present = [sum(count > 0 for count in one.values()) for one in counts]
        return (
            f"images: {sum(counts[0].values()):,} of {present[0]} classes, {sum(counts[1].values()):,} of {present[1]}"
        )
    name = inside["positive_class"]
    shares = [f"{one[name] / max(sum(one.values()), 1):.0%} of {sum(one.values()):,}" for one in counts]
    return f"{name}: {shares[0]} images inside, {shares[1]} outside; accuracy, precision and f1_weighted depend on it"
