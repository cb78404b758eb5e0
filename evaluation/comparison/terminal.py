"""Several experiments beside one another, for the terminal and as flat tables."""

from collections.abc import Sequence

import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from common.text import counted
from evaluation.comparison.pairwise import PairwiseComparison
from evaluation.core.formats import heading
from evaluation.core.warnings import leakage
from evaluation.result import EvaluationResult, Interval
from evaluation.terminal import frame_table, warning_lines
from evaluation.uncertainty.calibration import MEASURED

# Columns of the two tables on the screen; groups.csv has every metric that is not of one class.
FIRST = ("f1_weighted", "auc", "accuracy")
OF_TWO = ("sensitivity", "specificity")
OF_MORE = ("f1_macro", "balanced_accuracy")
DIFFERENCES = ("f1_weighted", "auc")
SHOWN_PAIRS = 30
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


def matrix_tables(labels: Sequence[str], results: Sequence[EvaluationResult], comparison: PairwiseComparison) -> Group:
    """Draw the groups, a row each with a number, and the pairs of these numbers."""
    two = all(result.positive_class for result in results)
    numbers = {label: str(number) for number, label in enumerate(labels, 1)}
    first = pd.DataFrame({"": numbers.values(), "experiment": labels})
    first["images"] = [result.test.images for result in results]
    second = first[[""]].copy()
    metrics = [measured(result) for result in results]
    for name in FIRST:
        first[name] = [of_group.get(name) for of_group in metrics]
    for name in (*(OF_TWO if two else OF_MORE), *MEASURED):
        second[name.upper() if name in ("ece", "nll") else name] = [of_group.get(name) for of_group in metrics]
    bins = [result.calibration.bins for result in results if result.calibration]
    calibration = f"ECE in {bins[0]} equally wide bins" if bins else "no calibration"
    confidence = f"{100 * comparison.confidence:.4g} % interval"
    leaks: dict[str, list[str]] = {}
    for number, result in enumerate(results, 1):
        for warning in leakage(result.about):
            leaks.setdefault(str(warning), []).append(str(number))
    return Group(
        frame_table(first, between="-"),
        frame_table(second, between="-"),
        Text(f"{confidence} below each value; predictions at 0.5 or the likeliest class; {calibration}"),
        *_pairs(comparison, numbers, confidence),
        *_reasons(comparison, numbers),
        *warning_lines([f"{', '.join(groups)}: {line}" for line, groups in leaks.items()]),
        *warning_lines(comparison.warnings),
    )


def _pairs(comparison: PairwiseComparison, numbers: dict[str, str], confidence: str) -> list[Table | Text]:
    """The pairs with the smallest p-values first."""
    if not comparison.pairs:
        return []
    rows = []
    for pair in sorted(comparison.pairs, key=lambda pair: pair.mcnemar.p_value)[:SHOWN_PAIRS]:
        differences = [pair.differences[name] for name in DIFFERENCES]
        p_values = (f"{pair.mcnemar.p_value:.3g}", f"{pair.p_corrected:.3g}")
        rows.append((f"{numbers[pair.first]} - {numbers[pair.second]}", pair.images, *differences, *p_values))
    frame = pd.DataFrame(rows, columns=["pair", "images", *DIFFERENCES, "McNemar p", "corrected"])
    many = len(comparison.pairs)
    lines = [
        f"difference = first - second on the same images, {confidence} below it, not corrected; McNemar's exact test "
        f"treats images as independent; {CORRECTIONS[comparison.correction]} for {counted(many, 'pair')}"
    ]
    if many > SHOWN_PAIRS:
        lines.append(f"the {SHOWN_PAIRS} pairs with the smallest p of {many}; --output writes all")
    return [frame_table(frame, signed=DIFFERENCES), *map(Text, lines)]


def _reasons(comparison: PairwiseComparison, numbers: dict[str, str]) -> list[Text]:
    """The pairs that cannot be compared, by the reason."""
    reasons: dict[str, list[str]] = {}
    for pair in comparison.left_out:
        reasons.setdefault(str(pair.reason), []).append(f"{numbers[pair.first]} - {numbers[pair.second]}")
    lines = [f"left out {', '.join(pairs)}: {reason}" for reason, pairs in reasons.items()]
    if len(lines) > SHOWN_REASONS:
        lines[SHOWN_REASONS:] = [f"and {len(lines) - SHOWN_REASONS} more reasons"]
    return [Text(line, style="yellow") for line in lines]
