"""One model inside and outside: its metrics on the set that it learned from beside those on another set."""

from collections.abc import Mapping, Sequence
from math import hypot

import pandas as pd

from common.errors import UserError
from evaluation.core.formats import heading
from evaluation.result import Estimate, EvaluationResult
from evaluation.tables import Cell, Table

SHOWN = ("auc", "accuracy", "balanced_accuracy", "f1_weighted", "f1_macro", "sensitivity", "specificity")
FLAG = "--map"


def difference(inside: Estimate, outside: Estimate) -> Estimate:
    """Return outside minus inside; without ends where one of the two has none."""
    if inside.value is None or outside.value is None:
        return Estimate(None, None, None)
    gap = outside.value - inside.value
    if inside.low is None or inside.high is None or outside.low is None or outside.high is None:
        return Estimate(gap, None, None)
    down = hypot(outside.value - outside.low, inside.high - inside.value)
    up = hypot(outside.high - outside.value, inside.value - inside.low)
    return Estimate(gap, gap - down, gap + up)


def is_compared(metric: str) -> bool:
    """Tell whether a metric, at 0.5, at the threshold or of joint assignment, is one that sets are compared by."""
    name = metric.removesuffix("@threshold").removesuffix("_assigned")
    return name in SHOWN and metric != "auc@threshold"  # no threshold moves the AUC


def beside_table(inside: EvaluationResult, outside: EvaluationResult) -> Table:
    """Compare the evaluations of one model on two data sets by the metrics that are compared most.

    The gap is outside minus inside. Where the two sets have no image in common, its interval follows from the two
    intervals, whatever made them: the square-and-add limits (Newcombe 1998, method 10; Zou and Donner 2008). Where the
    other set holds test images of the run (``about["external"]["in_own_test"]``) it has none.
    """
    shared = bool((outside.about.get("external") or {}).get("in_own_test"))
    theirs = _metrics(outside)
    rows: list[dict[str, Cell]] = []
    for name, ours in _metrics(inside).items():
        if name in theirs:
            gap = difference(ours, theirs[name])
            if shared:
                gap = Estimate(gap.value, None, None)
            title = name.replace("@", "\nat the ").replace("_assigned", "\njointly assigned")
            rows.append({"test metric": title, "inside": ours, "outside": theirs[name], "gap": gap})
    lines = (f"inside:  {heading(inside.about)}", f"outside: {heading(outside.about)}", _shares(inside, outside))
    return Table.of("the set it learned from, and another", rows, notes=lines, signed=("gap",), below=True)


def _metrics(result: EvaluationResult) -> dict[str, Estimate]:
    """Return the metrics of ``is_compared``: at 0.5, at the threshold, and of joint assignment, by their names."""
    metrics: dict[str, Estimate] = {**result.test.metrics}
    for name, interval in (result.test.metrics_at_threshold or {}).items():
        metrics[f"{name}@threshold"] = interval
    if result.assignment:
        metrics |= result.assignment.metrics
    return {name: metrics[name] for name in filter(is_compared, metrics)}


def _shares(inside: EvaluationResult, outside: EvaluationResult) -> str:
    """Say how the classes are mixed, which accuracy, precision and weighted F1 depend on."""
    counts = pd.DataFrame([inside.test.class_counts, outside.test.class_counts])
    totals = counts.sum(axis=1)
    name = inside.positive_class
    if not name:
        present = (counts > 0).sum(axis=1)
        return f"images: {totals[0]:,} of {present[0]} classes, {totals[1]:,} of {present[1]}"
    first, second = counts[name] / totals.clip(lower=1)
    return (
        f"{name}: {first:.0%} of {totals[0]:,} images inside, {second:.0%} of {totals[1]:,} outside; accuracy, "
        "precision and f1_weighted depend on it"
    )


def parse_map(pairs: Sequence[str]) -> dict[str, str | None]:
    """Read what a user typed behind ``--map``: the run's class of each named one, None of one that is left out.

    Such as "blast_1=all"; "platelet=" leaves a class out.

    Raises:
        UserError: There is no "=" or there are several, no class precedes it, or a class is named twice.
    """
    mapping: dict[str, str | None] = {}
    for pair in pairs:
        theirs, equals, ours = pair.partition("=")
        if not theirs or not equals or "=" in ours:
            raise UserError(
                f"{FLAG} {pair}: write <class of the other set>=<class of the run>, or <class>= to leave out"
            )
        if theirs in mapping:
            raise UserError(f"{FLAG} {pair}: {theirs} is named twice: say once what it is")
        mapping[theirs] = ours or None
    return mapping


def map_classes(theirs: Sequence[str], ours: Sequence[str], mapping: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the run's class (one of ``ours``) of each class of another set (``theirs``); None: left out.

    ``mapping`` is what ``parse_map`` read; classes that are not named there go by their own name.

    Raises:
        UserError: ``mapping`` names a class that one of the two does not have, a class has no counterpart, or all are
            left out.
    """
    listed = ", ".join(theirs)
    own_listed = ", ".join(ours)
    for name, own in mapping.items():
        if name not in theirs:
            raise UserError(f"{FLAG} {name}=...: the other set has no such class; it has {listed}")
        if own is not None and own not in ours:
            raise UserError(f"{FLAG} {name}={own}: the run has no class {own}; it has {own_listed}")
    lost = [name for name in theirs if name not in mapping and name not in ours]
    if lost:
        remedy = f"say what each is, {FLAG} {lost[0]}={ours[0]}, or leave it out, {FLAG} {lost[0]}="
        raise UserError(f"the run has no class {', '.join(lost)}, it has {own_listed}: {remedy}")
    mapped = {name: mapping.get(name, name) for name in theirs}
    if theirs and not any(mapped.values()):
        raise UserError(f"{FLAG} leaves out every class of the other set: map at least one of {listed}")
    return mapped
