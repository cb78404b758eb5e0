"""Several experiments beside one another, for the terminal and as flat tables."""

from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from evaluation.core.headings import heading
from evaluation.core.warnings import leakage
from evaluation.uncertainty.calibration import MEASURED

# Columns of the two tables on the screen; groups.csv has every metric that is not of one class.
FIRST = ("f1_weighted", "auc", "accuracy")
OF_TWO = ("sensitivity", "specificity")
OF_MORE = ("f1_macro", "balanced_accuracy")
DIFFERENCES = ("f1_weighted", "auc")
SHOWN_PAIRS = 30
SHOWN_REASONS = 5


def groups_frame(labels: Sequence[str], results: Sequence[dict]) -> pd.DataFrame:
    """Return a row per group: its metrics at 0.5, and calibration before and after (``_scaled``), with intervals."""
    rows = []
    for label, result in zip(labels, results, strict=True):
        test = result["test"]
        row = {"group": label, "run": heading(result["about"])}
        row |= {name: test[name] for name in ("images", "subjects")}
        for name, interval in measured(result).items():
            row |= {name: interval["value"], f"{name}_low": interval["low"], f"{name}_high": interval["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def measured(result: dict) -> dict[str, dict]:
    """Return the test metrics that are of no single class, and those of calibration, as fields of an ``Interval``."""
    found = {name: one for name, one in result["test"]["metrics"].items() if "/" not in name}
    calibration = result["calibration"] or {}
    for key, suffix in (("before", ""), ("after", "_scaled")):
        ends = (calibration.get(key) or {}).get("intervals", {})
        found |= {f"{name}{suffix}": one for name, one in ends.items()}
    return found


def pairs_frame(matrix: dict) -> pd.DataFrame:
    """Return a row per pair that ``matrix.compare_groups`` compared, and one with the reason for each left out."""
    rows = []
    for pair in matrix["pairs"]:
        row = {name: pair[name] for name in ("first", "second", "images", "subjects")}
        for name, one in pair["differences"].items():
            row |= {name: one["value"], f"{name}_low": one["low"], f"{name}_high": one["high"]}
        row |= {name: pair["mcnemar"][name] for name in ("only_first", "only_second", "p_value")}
        rows.append(row | {"p_corrected": pair["p_corrected"], "correction": matrix["method"]})
    for pair in matrix["left_out"]:
        rows.append({"first": pair["first"], "second": pair["second"], "left_out": pair["reason"]})
    return pd.DataFrame(rows)


def matrix_tables(labels: Sequence[str], results: Sequence[dict], matrix: dict) -> Group:
    """Draw the groups, a row each with a number, and the pairs of these numbers.

    Args:
        labels: Of the groups.
        results: Each group's result.
        matrix: What ``matrix.compare_groups`` returns.
    """
    two = all(result["positive_class"] for result in results)
    numbers = {label: str(place + 1) for place, label in enumerate(labels)}
    first = _groups(labels, results, FIRST, labelled=True)
    second = _groups(labels, results, (*(OF_TWO if two else OF_MORE), *MEASURED), labelled=False)
    return Group(
        first,
        second,
        Text(f"{_confidence(matrix)} below each value; predictions at 0.5 or the likeliest class; {_binning(results)}"),
        *_pairs(matrix, numbers),
        *(Text(f"! {line}", style="yellow") for line in _leaks(results) + matrix["warnings"]),
    )


def _leaks(results: Sequence[dict]) -> list[str]:
    """Leaks between the parts of a split, and the groups that have them."""
    found: dict[str, list[str]] = {}
    for place, result in enumerate(results):
        for line in leakage(result["about"]):
            found.setdefault(line, []).append(str(place + 1))
    return [f"{', '.join(places)}: {line}" for line, places in found.items()]


def _groups(labels: Sequence[str], results: Sequence[dict], names: Sequence[str], labelled: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right")
    if labelled:
        table.add_column("experiment", overflow="fold")
        table.add_column("images", justify="right", no_wrap=True)
    for name in names:
        table.add_column(name.upper() if name in ("ece", "nll") else name, justify="right", no_wrap=True)
    for place, (label, result) in enumerate(zip(labels, results, strict=True)):
        found = measured(result)
        if labelled:
            cells = [label, f"{result['test']['images']:,}"]
        else:
            cells = []
        cells += [_value(found.get(name), "-") for name in names]
        table.add_row(*map(Text, [str(place + 1), *cells]))
    return table


def _pairs(matrix: dict, numbers: dict[str, str]) -> list[Table | Text]:
    """The pairs with the smallest p-values first, and those that cannot be compared, by the reason."""
    if matrix["pairs"]:
        found = [_pair_table(matrix, numbers), *map(Text, _notes(matrix))]
    else:
        found = []
    reasons: dict[str, list[str]] = {}
    for pair in matrix["left_out"]:
        reasons.setdefault(pair["reason"], []).append(_pair(pair, numbers))
    lines = [f"left out {', '.join(pairs)}: {reason}" for reason, pairs in reasons.items()]
    lines[SHOWN_REASONS:] = [f"and {len(lines) - SHOWN_REASONS} more reasons"] * (len(lines) > SHOWN_REASONS)
    return found + [Text(line, style="yellow") for line in lines]


def _pair_table(matrix: dict, numbers: dict[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("pair", "images", *DIFFERENCES, "McNemar p", "corrected"):
        table.add_column(name, justify="right", no_wrap=True)
    ordered = sorted(matrix["pairs"], key=lambda pair: pair["mcnemar"]["p_value"])
    for pair in ordered[:SHOWN_PAIRS]:
        differences = [_value(pair["differences"][name], " to ", "+") for name in DIFFERENCES]
        p_values = [f"{one:.3g}" for one in (pair["mcnemar"]["p_value"], pair["p_corrected"])]
        table.add_row(*map(Text, [_pair(pair, numbers), f"{pair['images']:,}", *differences, *p_values]))
    return table


def _notes(matrix: dict) -> list[str]:
    names = {"holm": "Holm's correction", "fdr_bh": "Benjamini and Hochberg's correction", "none": "no correction"}
    many = len(matrix["pairs"])
    lines = [
        f"difference = first - second on the same images, {_confidence(matrix)} below it, not corrected; McNemar's "
        f"exact test takes images for independent; {names[matrix['method']]} for {many} pair{'s' * (many > 1)}"
    ]
    if many > SHOWN_PAIRS:
        lines.append(f"the {SHOWN_PAIRS} pairs with the smallest p of {many}; --output writes all")
    return lines


def _pair(pair: dict, numbers: dict[str, str]) -> str:
    return f"{numbers[pair['first']]} - {numbers[pair['second']]}"


def _binning(results: Sequence[dict]) -> str:
    bins = [result["calibration"]["bins"] for result in results if result["calibration"]]
    if bins:
        return f"ECE in {bins[0]} equally wide bins"
    return "no calibration"


def _confidence(matrix: dict) -> str:
    return f"{100 * matrix['settings']['confidence']:.4g} % interval"


def _value(interval: dict | None, between: str, sign: str = "") -> str:
    """A value, and below it its interval."""
    if interval is None or interval["value"] is None:
        return "-"
    if interval["low"] is None:
        ends = ""
    else:
        ends = f"{interval['low']:{sign}.3f}{between}{interval['high']:{sign}.3f}"
    return f"{interval['value']:{sign}.3f}\n{ends}"
