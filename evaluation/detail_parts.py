"""Subjects, operating points and subgroups for the terminal."""

from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

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
    result = _table(f"{found['subjects']:,} subjects", "by mean", _confidence(judgement), "by share", "interval")
    rules = found["rules"]
    for name in [name for name in BY_SUBJECT if name in rules["mean"]["metrics"]]:
        result.add_row(name, *_cells(rules["mean"]["metrics"][name]), *_cells(rules["share"]["metrics"][name]))
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
    result = _table("wish", "from", "sensitivity", _confidence(judgement), "specificity", "interval")
    for row in rows:
        cells = [*_cells(row["sensitivity"]), *_cells(row["specificity"])]
        result.add_row(f"{row['wished']:.2f}", _limits(row["threshold"]), *cells)
    name = judgement["positive_class"]
    return [result, Text(f"from: the probability of {name} that keeps the wished sensitivity on validation")]


def _subgroups(judgement: dict) -> list[Table | Text]:
    rows = judgement.get("subgroups")
    if not rows:
        return []
    # Small subgroups easily lack some of many classes, and a mean over classes would say just that.
    second = "auc" if judgement["positive_class"] else "f1_weighted"
    result, lines = _table("subgroup", "images", "accuracy", _confidence(judgement), second, "interval"), []
    for by, of_by in groupby(rows, key=lambda row: row["by"]):
        every = list(of_by)
        shown = every if len(every) <= SHOWN else sorted(every, key=_accuracy)[:SHOWN]
        if len(every) > SHOWN:
            lines.append(f"by {by}: the {SHOWN} with the lowest accuracy of {len(every)}; subgroups.csv has all")
        for row in shown:
            other = _cells(row["metrics"][second], "-") if second in row["metrics"] else ("-", "-")
            cells = [f"{row['images']:,}", *_cells(row["metrics"]["accuracy"], "-"), *other]
            # As text: a group may be called [red].
            result.add_row(Text(f"{by} {row['group'].replace('_', ' ')}"), *cells)
    return [result, *map(Text, lines)]


def _table(title: str, *columns: str) -> Table:
    """Lay out a table; of two columns of intervals the first says how sure they are."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column(title, overflow="fold")
    for column in columns:
        ends = column.endswith("interval")
        result.add_column(column, justify="center" if ends else "right", no_wrap=True, style=None if ends else "bold")
    return result


def _accuracy(row: dict) -> float:
    value = row["metrics"]["accuracy"]["value"]
    return 1.0 if value is None else value


def _limits(threshold: float | list[float | None] | None) -> str:
    """A threshold, or the ends of the folds'; 0.5 stands for one that validation does not choose."""
    values = [0.5 if one is None else one for one in (threshold if isinstance(threshold, list) else [threshold])]
    low, high = min(values), max(values)
    return f"{low:.3f}" if low == high else f"{low:.2f}-{high:.2f}"


def _confidence(judgement: dict) -> str:
    return f"{100 * judgement['settings']['confidence']:.4g} % interval"


def _cells(interval: dict, between: str = " to ") -> tuple[str, str]:
    value, low = interval["value"], interval["low"]
    ends = "-" if low is None else f"{low:.3f}{between}{interval['high']:.3f}"
    return "-" if value is None else f"{value:.3f}", ends
