"""Results for the terminal."""

from itertools import groupby

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from evaluation.core.headings import heading
from evaluation.uncertainty.terminal import calibration_lines, triage_parts

OF_CELLS = ("accuracy", "f1_macro", "cells_right")


def table(judgement: dict) -> Group:
    """Draw a judgement's test metrics for the terminal: value and interval, at 0.5 and at the chosen threshold.

    Beyond two classes the rows of single classes are their recalls; the others stand in metrics.json. Cells that were
    placed jointly have a second table.

    Args:
        judgement: What ``judge``, ``judge_pooled`` or metrics.json holds.

    Returns:
        Something that rich prints: heading, table, what it is about, and the warnings.
    """
    test = judgement["test"]
    means = judgement.get("fold_means")
    confidence = _confidence(judgement)
    at_threshold = test["metrics_at_threshold"]
    result = _table()
    result.add_column("value" if at_threshold is None else "at 0.5", justify="right", style="bold")
    result.add_column(confidence, justify="center", no_wrap=True)
    if means:
        result.add_column("fold mean", justify="right", style="bold")
        result.add_column(confidence, justify="center", no_wrap=True)
    if at_threshold is not None:
        result.add_column(_threshold_title(judgement["threshold"]["value"]), justify="right", style="bold")
        if not means:  # six columns fit into a terminal of 80 characters
            result.add_column(confidence, justify="center", no_wrap=True)
    for name in _rows(judgement):
        cells = [name, *_cells(test["metrics"][name])]
        cells += _cells(means["metrics"][name]) if means else ()
        cells += _cells(at_threshold[name])[: 1 if means else 2] if at_threshold is not None else ()
        # As text: a class may be called [red].
        result.add_row(*map(Text, cells))
    # What limits the validation part stands in metrics.json: the table is about the test part.
    lines = [line for line in judgement["warnings"] if not line.startswith("validation: ")]
    warnings = [Text(f"! {line}", style="yellow") for line in lines]
    if judgement.get("assignment"):
        of_cells = _of_cells(judgement)
    else:
        of_cells = ()
    title = Text(heading(judgement["about"]), style="bold")
    captions = map(Text, _captions(judgement))
    details = [*detail_parts(judgement), *triage_parts(judgement)]
    return Group(title, result, *captions, *of_cells, *details, *warnings)


def _table(title: str = "test metric") -> Table:
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column(title, no_wrap=True)
    return result


def _of_cells(judgement: dict) -> tuple[Table | Text, ...]:
    """The second line: calls one by one and placed jointly, and what the counts of the cells say."""
    assignment = judgement["assignment"]
    confidence = _confidence(judgement)
    known = {**judgement["test"]["metrics"], **assignment["metrics"]}
    result = _table(f"{assignment['cells']:,} cells")
    for column in ("one by one", "placed jointly"):
        result.add_column(column, justify="right", style="bold")
        result.add_column(confidence, justify="center", no_wrap=True)
    for name in OF_CELLS:
        result.add_row(name, *_cells(known[name]), *_cells(known[f"{name}_assigned"]))
    lines = [_karyotypes(assignment["karyotypes"]), _costs(assignment)]
    if assignment["fold_means"]:
        lines.insert(0, _fold_means_of_cells({**judgement["fold_means"]["metrics"], **assignment["fold_means"]}))
    return result, *map(Text, lines)


def _fold_means_of_cells(means: dict[str, dict]) -> str:
    pairs = [(name, means[name]["value"], means[f"{name}_assigned"]["value"]) for name in OF_CELLS]
    said = "; ".join(f"{name} {_number(before)}, {_number(after)}" for name, before, after in pairs)
    return f"fold means, one by one and jointly: {said}"


def _karyotypes(cells: dict[str, int]) -> str:
    return (
        f"counts of {cells['abnormal']} cells that are not 46,XX or 46,XY: exact in {cells['recovered']} "
        f"(one by one in {cells['recovered_before']}); of {cells['normal']:,} that are, {cells['alarmed']} "
        f"(one by one {cells['alarmed_before']:,}) come out abnormal"
    )


def _costs(assignment: dict) -> str:
    pairs = dict.fromkeys(f"{costs['extra']:g} and {costs['missing']:g}" for costs in assignment["costs"])
    if assignment["chosen"] == "validation":
        how = ", chosen on validation"
    else:
        how = ""
    return f"cost of a chromosome too many and too few: {' / '.join(pairs)} nats{how}"


def _rows(judgement: dict) -> list[str]:
    names = list(judgement["test"]["metrics"])
    two = len(judgement["classes"]) == 2
    return [name for name in names if two or not name.startswith(("precision/", "f1/"))]


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
    subjects = comparison["subjects"]
    if subjects is None:
        of_whom = "subjects unknown"
    else:
        of_whom = f"{subjects} subjects"
    notes = [
        f"{comparison['images']:,} test images, {of_whom}; difference = first - second, calls at 0.5",
        f"McNemar's exact test on images: only the first is right on {test['only_first']}, only the second on "
        f"{test['only_second']}, p = {test['p_value']:.3g}",
    ]
    warnings = [Text(f"! {line}", style="yellow") for line in comparison["warnings"]]
    return Group(*(Text(line, style="bold") for line in lines), result, *map(Text, notes), *warnings)


def _captions(judgement: dict) -> list[str]:
    test = judgement["test"]
    counts = judgement["test"]["class_counts"]
    few = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    many = f"{len(counts)} classes, {min(counts.values()):,} to {max(counts.values()):,} each"
    if test["subjects"] is None:
        subjects = "subjects unknown"
    else:
        subjects = f"{test['subjects']} subjects"
    lines = [f"{test['images']:,} test images ({few if len(counts) < 9 else many}), {subjects}"]
    if judgement["positive_class"]:
        lines[0] += f"; positive: {judgement['positive_class']}"
    about = judgement["about"]
    if about.get("images_seen") is not None and about.get("wall_seconds") is not None:
        lines.append(f"training: {about['images_seen']:,} images seen in {about['wall_seconds']:,.0f} s")
    if judgement["threshold"]["reason"]:
        lines.append(f"no threshold chosen: {judgement['threshold']['reason']}")
    elif test["metrics_at_threshold"] is not None:
        if isinstance(judgement["threshold"]["value"], list):
            own = "each fold's own, "
        else:
            own = ""
        lines.append(f"threshold: {own}chosen on validation ({judgement['threshold']['method']})")
    lines += calibration_lines(judgement.get("calibration"))
    if judgement.get("fold_means"):
        if judgement["positive_class"]:
            at_half = " at 0.5"
        else:
            at_half = ""
        lines.append(
            f"left: the test images of {len(judgement['folds'])} folds pooled{at_half}; "
            f"fold mean: the mean over the folds of the metric{at_half}"
        )
    return lines


def _threshold_title(value: float | list[float]) -> str:
    if isinstance(value, list):
        return "at own"
    return f"at {value:.3f}"


def _confidence(result: dict) -> str:
    return f"{100 * result['settings']['confidence']:.4g} % interval"


def _cells(interval: dict, sign: str = "") -> tuple[str, str]:
    low = _number(interval["low"], sign)
    high = _number(interval["high"], sign)
    return _number(interval["value"], sign), "-" if interval["low"] is None else f"{low} to {high}"


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


BY_SUBJECT = ("accuracy", "f1_weighted", "auc", "sensitivity", "specificity")
SHOWN = 6  # subgroups of one kind; the others stand in subgroups.csv


def detail_parts(judgement: dict) -> list[Table | Text]:
    """Draw what there is of subjects, operating points and subgroups; nothing of what there is none of."""
    return [*_subjects(judgement), *_operating_points(judgement), *_subgroups(judgement)]


def _subjects(judgement: dict) -> list[Table | Text]:
    """Subjects called by the mean of their images' probabilities, and by the share of images called so."""
    found = judgement.get("by_subject")
    if not found:
        return []
    result = _breakdown_table(
        f"{found['subjects']:,} subjects", "by mean", _confidence(judgement), "by share", "interval"
    )
    rules = found["rules"]
    for name in [name for name in BY_SUBJECT if name in rules["mean"]["metrics"]]:
        result.add_row(
            name,
            *_interval_cells(rules["mean"]["metrics"][name]),
            *_interval_cells(rules["share"]["metrics"][name]),
        )
    lines = ["a subject is called by the mean probability of its images, or by the share of them called so"]
    if judgement["positive_class"]:
        limits = ", ".join(f"{rule} {_limits(judged['threshold'])}" for rule, judged in rules.items())
        lines.append(f"positive from (chosen on validation subjects, else 0.5): {limits}")
    if found["left_out"]:
        lines.append(f"{found['left_out']} subjects with images of several classes are left out")
    return [result, *map(Text, lines)]


def _operating_points(judgement: dict) -> list[Table | Text]:
    rows = judgement.get("operating_points")
    if not rows:
        return []
    result = _breakdown_table("wish", "from", "sensitivity", _confidence(judgement), "specificity", "interval")
    for row in rows:
        cells = [*_interval_cells(row["sensitivity"]), *_interval_cells(row["specificity"])]
        result.add_row(f"{row['wished']:.2f}", _limits(row["threshold"]), *cells)
    name = judgement["positive_class"]
    return [result, Text(f"from: the probability of {name} that keeps the wished sensitivity on validation")]


def _subgroups(judgement: dict) -> list[Table | Text]:
    rows = judgement.get("subgroups")
    if not rows:
        return []
    # Small subgroups easily lack some of many classes, and a mean over classes would say just that.
    if judgement["positive_class"]:
        second = "auc"
    else:
        second = "f1_weighted"
    result = _breakdown_table("subgroup", "images", "accuracy", _confidence(judgement), second, "interval")
    lines = []
    for by, of_by in groupby(rows, key=lambda row: row["by"]):
        every = list(of_by)
        if len(every) <= SHOWN:
            shown = every
        else:
            shown = sorted(every, key=_accuracy)[:SHOWN]
        if len(every) > SHOWN:
            lines.append(f"by {by}: the {SHOWN} with the lowest accuracy of {len(every)}; subgroups.csv has all")
        for row in shown:
            if second in row["metrics"]:
                other = _interval_cells(row["metrics"][second], "-")
            else:
                other = ("-", "-")
            cells = [f"{row['images']:,}", *_interval_cells(row["metrics"]["accuracy"], "-"), *other]
            # As text: a group may be called [red].
            result.add_row(Text(f"{by} {row['group'].replace('_', ' ')}"), *cells)
    return [result, *map(Text, lines)]


def _breakdown_table(title: str, *columns: str) -> Table:
    """Lay out a table; of two columns of intervals the first says how sure they are."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column(title, overflow="fold")
    for column in columns:
        ends = column.endswith("interval")
        result.add_column(column, justify="center" if ends else "right", no_wrap=True, style=None if ends else "bold")
    return result


def _accuracy(row: dict) -> float:
    value = row["metrics"]["accuracy"]["value"]
    if value is None:
        return 1.0
    return value


def _limits(threshold: float | list[float | None] | None) -> str:
    """A threshold, or the ends of the folds'; 0.5 stands for one that validation does not choose."""
    values = [0.5 if one is None else one for one in (threshold if isinstance(threshold, list) else [threshold])]
    low = min(values)
    high = max(values)
    if low == high:
        return f"{low:.3f}"
    return f"{low:.2f}-{high:.2f}"


def _interval_cells(interval: dict, between: str = " to ") -> tuple[str, str]:
    value = interval["value"]
    low = interval["low"]
    if low is None:
        ends = "-"
    else:
        ends = f"{low:.3f}{between}{interval['high']:.3f}"
    return "-" if value is None else f"{value:.3f}", ends
