"""Experiments compared with one another, as typed tables, for the terminal."""

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd
from rich.console import Group
from rich.text import Text

from karyocyte.common.text import counted
from karyocyte.evaluation.comparison.pairwise import Pair, PairLeftOut, PairwiseComparison
from karyocyte.evaluation.metrics.classification import CALIBRATION, in_words
from karyocyte.evaluation.tables.certainty import certainty_lines
from karyocyte.evaluation.tables.renderers import terminal, warning_lines
from karyocyte.evaluation.types.result import EvaluationResult, Kind
from karyocyte.evaluation.types.table import Cell, Named, Table
from karyocyte.evaluation.types.warnings import leakage

# Columns of the two tables; metrics.csv of --output has every metric.
FIRST = ("f1_weighted", "auc", "accuracy")
OF_TWO = ("sensitivity", "specificity")
OF_MORE = ("f1_macro", "balanced_accuracy")
DIFFERENCES = ("f1_weighted", "auc")  # of pairs; pairs.csv has that of the accuracy, too


def group_tables(labels: Sequence[str], results: Sequence[EvaluationResult]) -> list[Table]:
    """Return the metrics of groups, in two tables that fit a terminal; the first gives each group a number."""
    interval = results[0].confidence
    further = (*OF_MORE, *CALIBRATION)
    if all(result.positive_class for result in results):
        further = (*OF_TWO, *CALIBRATION)
    first: list[dict[str, Cell]] = []
    second: list[dict[str, Cell]] = []
    certain: list[str] = []
    calibration = "no calibration"
    for number, (label, result) in enumerate(zip(labels, results, strict=True), 1):
        metrics = result.metrics | result.of(Kind.CALIBRATED)
        row: dict[str, Cell] = {"experiment": Named(f"{number} {label}", label), "images": result.test.images}
        row["subjects"] = result.test.subjects
        first.append(row | {in_words(name)[0]: metrics.get(name) for name in FIRST})
        second.append({"": Named(str(number), label)} | {in_words(name)[0]: metrics.get(name) for name in further})
        named = {name: metrics[name] for name in (*FIRST, *further) if name in result.metrics}
        lines = certainty_lines(named, f"{result.test.images:,} images", result.test.drawn)
        certain += [f"{number}: {line}" for line in lines]
        if result.calibration:
            calibration = f"ECE in {len(result.calibration.reliability[Kind.CALIBRATED])} equally wide bins"
    line = f"{100 * interval:.4g} % intervals; predictions at 0.5 or the likeliest class; {calibration}"
    title = f"Test metrics of {len(labels)} experiments"
    reading = "Where two ranges overlap widely, the order of the two says little; pairs are compared image by image."
    return [
        Table.of(title, first, reading, detail=("subjects",), confidence=interval),
        Table.of("Further metrics and calibration", second, notes=(line, *certain), confidence=interval),
    ]


def experiment_rows(labels: Sequence[str], results: Sequence[EvaluationResult]) -> pd.DataFrame:
    """Return a row per experiment with the figures of ``group_tables``, each with the ends of its interval."""
    rows = []
    for label, result in zip(labels, results, strict=True):
        metrics = result.metrics | result.of(Kind.CALIBRATED)
        row: dict[str, object] = {"experiment": label, "images": result.test.images, "subjects": result.test.subjects}
        for name in (*FIRST, *OF_TWO, *OF_MORE, *CALIBRATION):
            if name in metrics:
                row |= metrics[name].columns(name)
        rows.append(row)
    return pd.DataFrame(rows)


def pairs_table(comparison: PairwiseComparison, interval: float) -> Table:
    """Return the pairs that are compared, with ``interval`` (0 to 1) intervals; groups go by their numbers."""
    rows = []
    for pair in comparison.pairs:
        row: dict[str, Cell] = {"pair": _numbers(comparison, pair), "images": pair.images}
        rows.append(row | {in_words(name)[0]: pair.differences[name] for name in DIFFERENCES})
    line = f"difference = first - second on the same images, {100 * interval:.4g} % interval"
    notes = (f"{line}, not corrected for {counted(len(rows), 'pair')}",)
    title = "All pairs, first minus second"
    signed = tuple(in_words(name)[0] for name in DIFFERENCES)
    return Table.of(title, rows, notes=notes, signed=signed, confidence=interval)


def _numbers(comparison: PairwiseComparison, pair: Pair | PairLeftOut) -> str:
    """Name a pair by the numbers of its groups."""
    return f"{comparison.labels.index(pair.first) + 1} - {comparison.labels.index(pair.second) + 1}"


def comparison_of_groups(results: Sequence[EvaluationResult], comparison: PairwiseComparison) -> Group:
    """Draw the groups and the pairs of them for the terminal, with what limits the comparison."""
    differences = pairs_table(comparison, results[0].confidence)
    tables = filter(None, [*group_tables(comparison.labels, results), differences])
    leaks: dict[str, list[str]] = defaultdict(list)
    for number, result in enumerate(results, 1):
        for warning in leakage(result.about):
            leaks[str(warning)].append(str(number))
    reasons: dict[str, list[str]] = defaultdict(list)
    for pair in comparison.left_out:
        reasons[str(pair.reason)].append(_numbers(comparison, pair))
    left_out = [Text(f"left out {', '.join(pairs)}: {reason}", style="yellow") for reason, pairs in reasons.items()]
    warnings = [f"{', '.join(groups)}: {line}" for line, groups in leaks.items()]
    return Group(*map(terminal, tables), *left_out, *warning_lines([*warnings, *comparison.warnings]))
