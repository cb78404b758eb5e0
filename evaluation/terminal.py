"""Results for the terminal."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from evaluation.core.headings import heading
from evaluation.result import EvaluationResult, Interval, SubgroupResult
from evaluation.uncertainty.terminal import calibration_lines, triage_parts

OF_CELLS = ("accuracy", "f1_macro", "cells_right")
BY_SUBJECT = ("accuracy", "f1_weighted", "auc", "sensitivity", "specificity")
SHOWN = 6  # subgroups of one kind; subgroups.csv has the others
MANY_CLASSES = 8  # beyond, the caption counts them


def table(result: EvaluationResult) -> Group:
    """Draw the test metrics for the terminal: value and interval, at 0.5 and at the chosen threshold.

    Beyond two classes the rows of single classes are their recalls; metrics.json has the others. The joint assignment
    of cells has a second table. Warnings of the validation part are in metrics.json only.

    Returns:
        Something that rich prints: heading, table, what it is about, breakdowns, and the warnings.
    """
    means = result.fold_means
    at_threshold = result.test.metrics_at_threshold
    drawn = _table()
    drawn.add_column("value" if at_threshold is None else "at 0.5", justify="right", style="bold")
    drawn.add_column(_interval_title(result), justify="center", no_wrap=True)
    if means:
        drawn.add_column("fold mean", justify="right", style="bold")
        drawn.add_column(_interval_title(result), justify="center", no_wrap=True)
    if at_threshold is not None:
        own = isinstance(result.threshold.value, list)
        drawn.add_column("at own" if own else f"at {result.threshold.value:.3f}", justify="right", style="bold")
    if at_threshold is not None and not means:  # six columns fit into a terminal of 80 characters
        drawn.add_column(_interval_title(result), justify="center", no_wrap=True)
    for name in _rows(result):
        cells = [name, *_cells(result.test.metrics[name])]
        if means:
            cells += _cells(means.metrics[name])
        if at_threshold is not None:
            cells += _cells(at_threshold[name])[: 1 if means else 2]
        # As text: a class may be called [red].
        drawn.add_row(*map(Text, cells))
    title = Text(heading(result.about), style="bold")
    details = [*_of_cells(result), *_subjects(result), *_operating_points(result), *_subgroups(result)]
    warnings = [Text(f"! {warning}", style="yellow") for warning in result.warnings_except("validation")]
    return Group(title, drawn, *map(Text, _captions(result)), *details, *triage_parts(result), *warnings)


def _table(title: str = "test metric") -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column(title, no_wrap=True)
    return drawn


def _of_cells(result: EvaluationResult) -> list[Table | Text]:
    """Predictions one by one and by the joint assignment, and what the counts of the cells say."""
    assignment = result.assignment
    if assignment is None:
        return []
    metrics = {**result.test.metrics, **assignment.metrics}
    drawn = _table(f"{assignment.cells:,} cells")
    for column in ("one by one", "joint assignment"):
        drawn.add_column(column, justify="right", style="bold")
        drawn.add_column(_interval_title(result), justify="center", no_wrap=True)
    for name in OF_CELLS:
        drawn.add_row(name, *_cells(metrics[name]), *_cells(metrics[f"{name}_assigned"]))
    lines = []
    if assignment.fold_means and result.fold_means:
        means = {**result.fold_means.metrics, **assignment.fold_means}
        pairs = [f"{name} {_mean(means[name])}, {_mean(means[f'{name}_assigned'])}" for name in OF_CELLS]
        lines.append(f"fold means, one by one and by the joint assignment: {'; '.join(pairs)}")
    cells = assignment.karyotypes
    lines.append(
        f"counts of {cells.abnormal} cells that are not 46,XX or 46,XY: exact in {cells.recovered} "
        f"(one by one in {cells.recovered_before}); of {cells.normal:,} that are, {cells.alarmed} "
        f"(one by one {cells.alarmed_before:,}) come out abnormal"
    )
    costs = dict.fromkeys(f"{cost.extra:g} and {cost.missing:g}" for cost in assignment.costs)
    chosen = ", chosen on validation" if assignment.chosen == "validation" else ""
    lines.append(f"cost of a chromosome too many and too few: {' / '.join(costs)} nats{chosen}")
    return [drawn, *map(Text, lines)]


def _mean(interval: Interval) -> str:
    return _number(interval.value)


def _rows(result: EvaluationResult) -> list[str]:
    if len(result.classes) == 2:
        return list(result.test.metrics)
    return [name for name in result.test.metrics if not name.startswith(("precision/", "f1/"))]


def difference_table(comparison: dict) -> Group:
    """Draw what ``comparison.compare`` found.

    Args:
        comparison: Differences of the first group minus the second, with their intervals, and McNemar's test.
    """
    result = _table()
    for column in ("first", "second", "difference"):
        result.add_column(column, justify="right", style="bold" if column == "difference" else None)
    result.add_column(_confidence(comparison), justify="center", no_wrap=True)
    for name, interval in comparison["differences"].items():
        sides = [_number(comparison[side][name]) for side in ("first", "second")]
        result.add_row(name, *sides, *_cells(interval, sign="+"))
    for name, interval in (comparison.get("fold_mean_differences") or {}).items():
        result.add_row(f"{name}, fold means", "", "", *_cells(interval, sign="+"))
    lines = [f"first:  {heading(comparison['first_about'])}", f"second: {heading(comparison['second_about'])}"]
    test = comparison["mcnemar"]
    notes = [
        f"{comparison['images']:,} test images, {_subject_count(comparison['subjects'])}; "
        "difference = first - second, predictions at 0.5",
        f"McNemar's exact test on images: only the first is right on {test['only_first']}, only the second on "
        f"{test['only_second']}, p = {test['p_value']:.3g}",
    ]
    warnings = [Text(f"! {line}", style="yellow") for line in comparison["warnings"]]
    return Group(*(Text(line, style="bold") for line in lines), result, *map(Text, notes), *warnings)


def _captions(result: EvaluationResult) -> list[str]:
    test = result.test
    counts = test.class_counts
    classes = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    if len(counts) > MANY_CLASSES:
        classes = f"{len(counts)} classes, {min(counts.values()):,} to {max(counts.values()):,} each"
    lines = [f"{test.images:,} test images ({classes}), {_subject_count(test.subjects)}"]
    if result.positive_class:
        lines[0] += f"; positive: {result.positive_class}"
    about = result.about
    if about.get("images_seen") is not None and about.get("wall_seconds") is not None:
        lines.append(f"training: {about['images_seen']:,} images seen in {about['wall_seconds']:,.0f} s")
    if result.threshold.reason:
        lines.append(f"no threshold chosen: {result.threshold.reason}")
    elif test.metrics_at_threshold is not None:
        own = "each fold's own, " if isinstance(result.threshold.value, list) else ""
        lines.append(f"threshold: {own}chosen on validation ({result.threshold.method})")
    lines += calibration_lines(result.calibration)
    if result.folds:
        at_half = " at 0.5" if result.positive_class else ""
        lines.append(
            f"left: the test images of {len(result.folds)} folds pooled{at_half}; "
            f"fold mean: the mean over the folds of the metric{at_half}"
        )
    return lines


def _subject_count(subjects: int | None) -> str:
    if subjects is None:
        return "subjects unknown"
    return f"{subjects} subjects"


def _interval_title(result: EvaluationResult) -> str:
    return _confidence({"settings": result.settings})


def _confidence(result: dict[str, Any]) -> str:
    return f"{100 * result['settings']['confidence']:.4g} % interval"


def _cells(interval: Interval, sign: str = "", between: str = " to ") -> tuple[str, str]:
    ends = "-"
    if interval["low"] is not None:
        ends = f"{_number(interval['low'], sign)}{between}{_number(interval['high'], sign)}"
    return _number(interval["value"], sign), ends


def _number(value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:{sign}.3f}"


def frame_table(frame: pd.DataFrame, title: str) -> Table:
    """Draw a data frame for the terminal; numbers with three digits, what is not known as a dash."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(title, style="bold"), title_justify="left")
    for name in frame.columns:
        result.add_column(name, justify="right" if pd.api.types.is_numeric_dtype(frame[name]) else "left")
    for row in frame.itertuples(index=False):
        result.add_row(*(Text(_plain(value)) for value in row))
    return result


def _plain(value: object) -> str:
    if value is None or pd.isna(value):
        return "-"
    whole = not isinstance(value, float) or value == int(value) and abs(value) > 1
    if whole and isinstance(value, float):
        return f"{value:.0f}"
    if whole:
        return str(value)
    return f"{value:.3f}"


def _subjects(result: EvaluationResult) -> list[Table | Text]:
    """Subjects predicted by the mean of their images' probabilities, and by the share of images predicted so."""
    subjects = result.by_subject
    if not subjects:
        return []
    drawn = _breakdown_table(
        f"{subjects.subjects:,} subjects", "by mean", _interval_title(result), "by share", "interval"
    )
    by_mean = subjects.rules["mean"].metrics
    by_share = subjects.rules["share"].metrics
    for name in BY_SUBJECT:
        if name in by_mean:
            drawn.add_row(name, *_cells(by_mean[name]), *_cells(by_share[name]))
    lines = ["a subject is predicted by the mean probability of its images, or by the share of them predicted so"]
    if result.positive_class:
        limits = ", ".join(f"{name} {_limits(rule.threshold)}" for name, rule in subjects.rules.items())
        lines.append(f"positive from (chosen on validation subjects, else 0.5): {limits}")
    if subjects.left_out:
        lines.append(f"{subjects.left_out} subjects with images of several classes are left out")
    return [drawn, *map(Text, lines)]


def _operating_points(result: EvaluationResult) -> list[Table | Text]:
    if not result.operating_points:
        return []
    drawn = _breakdown_table("wish", "from", "sensitivity", _interval_title(result), "specificity", "interval")
    for row in result.operating_points:
        cells = [*_cells(row.sensitivity), *_cells(row.specificity)]
        drawn.add_row(f"{row.wished:.2f}", _limits(row.threshold), *cells)
    name = result.positive_class
    return [drawn, Text(f"from: the probability of {name} that keeps the wished sensitivity on validation")]


def _subgroups(result: EvaluationResult) -> list[Table | Text]:
    if not result.subgroups:
        return []
    # Small subgroups easily lack some of many classes, and a mean over classes would say just that.
    second = "auc" if result.positive_class else "f1_weighted"
    drawn = _breakdown_table("subgroup", "images", "accuracy", _interval_title(result), second, "interval")
    lines = []
    for by, of_by in groupby(result.subgroups, key=lambda row: row.by):
        shown = list(of_by)
        if len(shown) > SHOWN:
            lines.append(f"by {by}: the {SHOWN} with the lowest accuracy of {len(shown)}; subgroups.csv has all")
            shown = sorted(shown, key=_accuracy)[:SHOWN]
        for row in shown:
            other = ("-", "-")
            if second in row.metrics:
                other = _cells(row.metrics[second], between="-")
            cells = [f"{row.images:,}", *_cells(row.metrics["accuracy"], between="-"), *other]
            # As text: a group may be called [red].
            drawn.add_row(Text(f"{by} {row.group.replace('_', ' ')}"), *cells)
    return [drawn, *map(Text, lines)]


def _breakdown_table(title: str, *columns: str) -> Table:
    """Lay out a table; of two columns of intervals the first names their confidence."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column(title, overflow="fold")
    for column in columns:
        if column.endswith("interval"):
            drawn.add_column(column, justify="center", no_wrap=True)
        else:
            drawn.add_column(column, justify="right", no_wrap=True, style="bold")
    return drawn


def _accuracy(row: SubgroupResult) -> float:
    value = row.metrics["accuracy"].value
    if value is None:
        return 1.0
    return value


def _limits(threshold: float | Sequence[float | None] | None) -> str:
    """A threshold, or the ends of the folds'; 0.5 for one that validation does not choose."""
    thresholds = threshold if isinstance(threshold, list) else [threshold]
    values = [0.5 if value is None else value for value in thresholds]
    low = min(values)
    high = max(values)
    if low == high:
        return f"{low:.3f}"
    return f"{low:.2f}-{high:.2f}"
