"""Experiments compared with one another, as typed tables, for the terminal, and as flat tables."""

from collections.abc import Sequence

import pandas as pd
from rich.console import Group
from rich.text import Text

from common.text import counted
from evaluation.comparison.paired import COMPARED, Comparison
from evaluation.comparison.pairwise import PairwiseComparison
from evaluation.core.formats import heading, images_of
from evaluation.core.warnings import leakage
from evaluation.metrics.classification import CALIBRATION
from evaluation.renderers import terminal, warning_lines
from evaluation.result import EvaluationResult, Interval
from evaluation.tables import Cell, Named, Table

# Columns of the two tables; groups.csv has every metric that is not of one class.
FIRST = ("f1_weighted", "auc", "accuracy")
OF_TWO = ("sensitivity", "specificity")
OF_MORE = ("f1_macro", "balanced_accuracy")
SHOWN_PAIRS = 60  # more would fill pages
SHOWN_REASONS = 5
CORRECTIONS = {"holm": "Holm's correction", "fdr_bh": "Benjamini and Hochberg's correction", "none": "no correction"}


def groups_frame(labels: Sequence[str], results: Sequence[EvaluationResult]) -> pd.DataFrame:
    """Return a row per group: its metrics at 0.5, and calibration before and after (``_scaled``), with intervals."""
    rows = []
    for label, result in zip(labels, results, strict=True):
        row: dict[str, object] = {"group": label, "run": heading(result.about)}
        row |= {"images": result.test.images, "subjects": result.test.subjects}
        for name, interval in measured(result).items():
            row |= interval.columns(name)
        rows.append(row)
    return pd.DataFrame(rows)


def measured(result: EvaluationResult) -> dict[str, Interval]:
    """Return the test metrics that are of no single class, and those of calibration before and after scaling."""
    metrics = {name: interval for name, interval in result.test.metrics.items() if "/" not in name}
    if result.calibration:
        metrics |= result.calibration.before.intervals
    if result.calibration and result.calibration.after:
        metrics |= {f"{name}_scaled": interval for name, interval in result.calibration.after.intervals.items()}
    return metrics


def pairs_frame(comparison: PairwiseComparison) -> pd.DataFrame:
    """Return a row per pair that was compared, and one with the reason for each left out."""
    rows: list[dict[str, object]] = []
    for pair in comparison.pairs:
        row: dict[str, object] = {"first": pair.first, "second": pair.second}
        row |= {"images": pair.images, "subjects": pair.subjects}
        for name, interval in pair.differences.items():
            row |= interval.columns(name)
        row |= vars(pair.mcnemar)
        rows.append(row | {"p_corrected": pair.p_corrected, "correction": comparison.correction})
    for left_out in comparison.left_out:
        rows.append({"first": left_out.first, "second": left_out.second, "left_out": str(left_out.reason)})
    return pd.DataFrame(rows)


def group_tables(labels: Sequence[str], results: Sequence[EvaluationResult], interval: float) -> list[Table]:
    """Return the metrics of groups, in two tables that fit a terminal; the first gives each group a number."""
    two = all(result.positive_class for result in results)
    metrics = [measured(result) for result in results]
    first = []
    second = []
    for number, (label, result, of_group) in enumerate(zip(labels, results, metrics, strict=True), 1):
        row: dict[str, Cell] = {"experiment": Named(f"{number} {label}", label), "images": result.test.images}
        row["subjects"] = result.test.subjects
        first.append(row | {name: of_group.get(name) for name in FIRST})
        row = {"": Named(str(number), label)}
        second.append(row | {name: of_group.get(name) for name in (*(OF_TWO if two else OF_MORE), *CALIBRATION)})
    bins = [result.calibration.bins for result in results if result.calibration]
    calibration = f"ECE in {bins[0]} equally wide bins" if bins else "no calibration"
    line = f"{100 * interval:.4g} % intervals; predictions at 0.5 or the likeliest class; {calibration}"
    title = f"Test metrics of {len(labels)} experiments"
    reading = "Where two ranges overlap widely, the order of the two says little; pairs are compared image by image."
    return [
        Table.of(title, first, reading, below=True, detail=("subjects",), confidence=interval),
        Table.of("Further metrics and calibration", second, below=True, notes=(line,), confidence=interval),
    ]


def pairs_table(comparison: PairwiseComparison) -> Table | None:
    """Return the pairs that are compared, those with the smallest p-values first; groups go by their numbers."""
    if not comparison.pairs:
        return None
    numbers = {label: number for number, label in enumerate(comparison.labels, 1)}
    rows = []
    for pair in sorted(comparison.pairs, key=lambda pair: pair.mcnemar.p_value)[:SHOWN_PAIRS]:
        name = Named(f"{numbers[pair.first]} - {numbers[pair.second]}", f"{pair.first} − {pair.second}")
        row: dict[str, Cell] = {"pair": name, "images": pair.images, **pair.differences}
        row["right: only first / only second"] = f"{pair.mcnemar.only_first:,} / {pair.mcnemar.only_second:,}"
        rows.append(row | {"McNemar p": f"{pair.mcnemar.p_value:.3g}", "corrected": f"{pair.p_corrected:.3g}"})
    many = len(comparison.pairs)
    lines = [
        f"difference = first - second on the same images, {100 * comparison.confidence:.4g} % interval, not corrected; "
        "McNemar's exact test, of the images that only one of the two predicts right, treats images as independent; "
        f"{CORRECTIONS[comparison.correction]} for {counted(many, 'pair')}"
    ]
    if many > SHOWN_PAIRS:
        lines.append(f"the {SHOWN_PAIRS} pairs with the smallest p of {many}; --output writes all")
    return Table.of(
        "All pairs, first minus second",
        rows,
        "A range that does not contain 0, and a p below 0.05, speak for a difference.",
        notes=tuple(lines),
        signed=COMPARED,
        detail=("right: only first / only second", "accuracy"),
        below=True,
        confidence=comparison.confidence,
    )


def comparison_of_groups(
    labels: Sequence[str], results: Sequence[EvaluationResult], comparison: PairwiseComparison
) -> Group:
    """Draw the groups and the pairs of them for the terminal, with what limits the comparison."""
    leaks: dict[str, list[str]] = {}
    for number, result in enumerate(results, 1):
        for warning in leakage(result.about):
            leaks.setdefault(str(warning), []).append(str(number))
    pairs = pairs_table(comparison)
    return Group(
        *map(terminal, group_tables(labels, results, comparison.confidence)),
        *([terminal(pairs)] if pairs else []),
        *_reasons(comparison),
        *warning_lines([f"{', '.join(groups)}: {line}" for line, groups in leaks.items()]),
        *warning_lines(comparison.warnings),
    )


def difference_table(comparison: Comparison) -> Group:
    """Draw the differences of the first group minus the second, with their intervals, and McNemar's test."""
    means = {f"{name}, fold means": mean for name, mean in (comparison.fold_mean_differences or {}).items()}
    rows = []
    for name, difference in (comparison.differences | means).items():
        row: dict[str, Cell] = {"test metric": name, "first": comparison.first.get(name)}
        rows.append(row | {"second": comparison.second.get(name), "difference": difference})
    test = comparison.mcnemar
    subjects = "subjects unknown" if comparison.subjects is None else f"{comparison.subjects} subjects"
    lines = (
        f"{comparison.images:,} {images_of(comparison.first_about)}, {subjects}; "
        "difference = first - second, predictions at 0.5",
        f"McNemar's exact test on images: only the first is right on {test.only_first}, only the second on "
        f"{test.only_second}, p = {test.p_value:.3g}",
    )
    return Group(
        Text(f"first:  {heading(comparison.first_about)}", style="bold"),
        Text(f"second: {heading(comparison.second_about)}", style="bold"),
        terminal(Table.of("", rows, notes=lines, signed=("difference",), confidence=comparison.confidence)),
        *warning_lines(comparison.warnings),
    )


def _reasons(comparison: PairwiseComparison) -> list[Text]:
    """The pairs that cannot be compared, by the reason."""
    numbers = {label: number for number, label in enumerate(comparison.labels, 1)}
    reasons: dict[str, list[str]] = {}
    for pair in comparison.left_out:
        reasons.setdefault(str(pair.reason), []).append(f"{numbers[pair.first]} - {numbers[pair.second]}")
    lines = [f"left out {', '.join(pairs)}: {reason}" for reason, pairs in reasons.items()]
    if len(lines) > SHOWN_REASONS:
        lines[SHOWN_REASONS:] = [f"and {len(lines) - SHOWN_REASONS} more reasons"]
    return [Text(line, style="yellow") for line in lines]
