"""Results for the terminal."""

import textwrap
from collections.abc import Collection, Sequence
from itertools import groupby

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from common.predictions import VALIDATION
from common.text import class_counts, quoted
from evaluation.comparison.paired import Comparison
from evaluation.core.formats import ends, heading, images_of, number, temperature_of
from evaluation.result import AssignmentResult, CalibrationMetrics, Estimate, EvaluationResult

OF_CELLS = ("accuracy", "f1_macro", "cells_right")
BY_SUBJECT = ("accuracy", "f1_weighted", "auc", "sensitivity", "specificity")
SHOWN = 6  # subgroups of one kind; subgroups.csv has the others
HEADING = 10  # letters of a column's heading that are never folded
DETAILS = ("calibration", "triage", "subgroups")  # topics of warnings that an overview counts
MANY_CLASSES = 8  # beyond, the caption counts them


def frame_table(
    frame: pd.DataFrame,
    title: str = "",
    confidence: float | None = None,
    signed: Collection[str] = (),
    between: str = " to ",
) -> Table:
    """Draw a data frame for the terminal; numbers with three digits, what is not known as a dash.

    Long headings that are wider than the numbers below them are folded.

    Args:
        frame: Its cells may be of type ``Estimate``.
        title: Above the table.
        confidence: Of intervals, 0 to 1: they have a column beside their values; None: they are below their values.
        signed: Columns of differences.
        between: Of the ends of an interval.
    """
    result = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")
    # As text, here and below: a class may be called [red].
    result.title = Text(title, style="bold") if title else None
    columns = []
    for name in frame.columns:
        sign = "+" if name in signed else ""
        cells = frame[name].tolist()
        estimates = any(isinstance(cell, Estimate) for cell in cells)
        texts = [_text(cell, sign, between if confidence is None else None) for cell in cells]
        # A column of nothing but numbers, which begin with a digit, a sign or a dash.
        if all(text[:1] in "0123456789+-" for text in texts):
            width = max([HEADING, *(len(line) for text in texts for line in text.split("\n"))])
            if len(name) > width:
                name = textwrap.fill(name.replace("_", " "), width, break_long_words=False)
            style = "bold" if estimates else ""
            result.add_column(Text(name), justify="right", no_wrap=True, style=style)
        else:
            result.add_column(Text(name), overflow="fold")
        columns.append(texts)
        if estimates and confidence is not None:
            result.add_column(f"{100 * confidence:.4g} % interval", justify="center", no_wrap=True)
            columns.append([_ends(cell, sign, between) for cell in cells])
    for row in zip(*columns, strict=True):
        result.add_row(*map(Text, row))
    return result


def _ends(cell: object, sign: str, between: str) -> str:
    return ends(cell.low, cell.high, sign, between) if isinstance(cell, Estimate) else "-"


def _text(cell: object, sign: str, below: str | None) -> str:
    """Write a cell; ``below``: what is between the ends of an interval that follows its value, None without."""
    if isinstance(cell, Estimate):
        value = number(cell.value, sign)
        return value if below is None or cell.low is None else f"{value}\n{_ends(cell, sign, below)}"
    if cell is None or pd.isna(cell):
        return "-"
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell == int(cell) and abs(cell) > 1 else number(cell, sign)
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return str(cell)


def overview(result: EvaluationResult) -> Group:
    """Draw what fits a screen: the test metrics but for single classes, joint assignment, warnings about them."""
    frame = _metrics(result)
    frame = frame[~frame["test metric"].str.contains("/")]
    warnings = result.warnings_except("validation")
    shown = [warning for warning in warnings if warning.topic not in DETAILS]
    lines = warning_lines(shown)
    if len(shown) < len(warnings):
        lines += warning_lines([f"{len(warnings) - len(shown)} more on {', '.join(DETAILS)}: scripts/evaluate.py"])
    return Group(
        Text(heading(result.about), style="bold"),
        frame_table(frame, confidence=result.confidence),
        *map(Text, _captions(result)),
        *_of_cells(result),
        *lines,
    )


def headline(result: EvaluationResult) -> str:
    """Return accuracies with their intervals in a line."""
    texts = [f"accuracy {result.test.metrics['accuracy']}"]
    if result.assignment:
        texts.append(f"jointly {result.assignment.metrics['accuracy_assigned']}")
    return f"{heading(result.about)}: {', '.join(texts)}"


def table(result: EvaluationResult) -> Group:
    """Draw the test metrics for the terminal: value and interval, at 0.5 and at the chosen threshold.

    Beyond two classes the rows of single classes are their recalls; metrics.json has the others. The joint assignment
    of cells has a second table. Warnings of the validation part are in metrics.json only.

    Returns:
        Something that rich prints: heading, table, what it is about, breakdowns, and the warnings.
    """
    details = [*_of_cells(result), *_subjects(result), *_operating_points(result), *_subgroups(result)]
    return Group(
        Text(heading(result.about), style="bold"),
        frame_table(_metrics(result), confidence=result.confidence),
        *map(Text, [*_captions(result), *_calibration(result)]),
        *_parts(result),
        *details,
        *_triage(result),
        *warning_lines(result.warnings_except("validation")),
    )


def _metrics(result: EvaluationResult) -> pd.DataFrame:
    """Return the test metrics, a row each, at 0.5 and at the chosen threshold; of many classes their recalls alone."""
    metrics = result.test.metrics
    at_threshold = result.test.metrics_at_threshold
    frame = pd.DataFrame({"value" if at_threshold is None else "at 0.5": metrics})
    if result.fold_means:
        frame["fold\nmean"] = pd.Series(result.fold_means.metrics)
    if at_threshold is not None:
        threshold = result.threshold.value
        title = "at own" if isinstance(threshold, list) else f"at {threshold:.3f}"
        frame[title] = pd.Series(at_threshold)
        if result.fold_means:  # six columns fit into a terminal of 80 characters
            frame[title] = [interval.value for interval in frame[title]]
    frame = frame.rename_axis("test metric").reset_index()
    if len(result.classes) > 2:
        frame = frame[~frame["test metric"].str.startswith(("precision/", "f1/"))]
    return frame


def warning_lines(warnings: Sequence[object]) -> list[Text]:
    """Return a line for each warning."""
    return [Text(f"! {warning}", style="yellow") for warning in warnings]


def difference_table(comparison: Comparison) -> Group:
    """Draw the differences of the first group minus the second, with their intervals, and McNemar's test."""
    means = {f"{name}, fold means": mean for name, mean in (comparison.fold_mean_differences or {}).items()}
    differences = comparison.differences | means
    frame = pd.DataFrame({"test metric": differences.keys()})
    frame["first"] = frame["test metric"].map(comparison.first)
    frame["second"] = frame["test metric"].map(comparison.second)
    frame["difference"] = list(differences.values())
    test = comparison.mcnemar
    return Group(
        Text(f"first:  {heading(comparison.first_about)}", style="bold"),
        Text(f"second: {heading(comparison.second_about)}", style="bold"),
        frame_table(frame, confidence=comparison.confidence, signed=["difference"]),
        Text(
            f"{comparison.images:,} {images_of(comparison.first_about)}, {_subject_count(comparison.subjects)}; "
            "difference = first - second, predictions at 0.5"
        ),
        Text(
            f"McNemar's exact test on images: only the first is right on {test.only_first}, only the second on "
            f"{test.only_second}, p = {test.p_value:.3g}"
        ),
        *warning_lines(comparison.warnings),
    )


def _parts(result: EvaluationResult) -> list[Table | Text]:
    """Loss and accuracy on training, validation and test images, where training images were predicted."""
    if "train" not in result.by_part:
        return []
    rows = []
    for name, part in result.by_part.items():
        rows.append((name, part.images, part.loss, part.accuracy))
    line = "chosen weights, without dropout and augmentation"
    return [frame_table(pd.DataFrame(rows, columns=["part", "images", "loss", "accuracy"])), Text(line)]


def _captions(result: EvaluationResult) -> list[str]:
    test = result.test
    counts = test.class_counts
    classes = class_counts(counts)
    if len(counts) > MANY_CLASSES:
        classes = f"{len(counts)} classes, {min(counts.values()):,} to {max(counts.values()):,} each"
    images = images_of(result.about)
    lines = [f"{test.images:,} {images} ({classes}), {_subject_count(test.subjects)}"]
    if result.positive_class:
        lines[0] += f"; positive: {quoted(result.positive_class)}"
    about = result.about
    if about.get("images_seen") is not None and about.get("wall_seconds") is not None:
        lines.append(f"training: {about['images_seen']:,} images seen in {about['wall_seconds']:,.0f} s")
    if result.threshold.reason:
        lines.append(f"no threshold chosen: {result.threshold.reason}")
    elif test.metrics_at_threshold is not None:
        own = "each fold's own, " if isinstance(result.threshold.value, list) else ""
        lines.append(f"threshold: {own}chosen on validation ({result.threshold.method})")
    if result.folds:
        at_half = " at 0.5" if result.positive_class else ""
        lines.append(
            f"left: the {images} of {len(result.folds)} folds pooled{at_half}; "
            f"fold mean: the mean over the folds of the metric{at_half}"
        )
    return lines


def _subject_count(subjects: int | None) -> str:
    return "subjects unknown" if subjects is None else f"{subjects} subjects"


def _of_cells(result: EvaluationResult) -> list[Table | Text]:
    """Predictions one by one and by the joint assignment, and what the counts of the cells say."""
    assignment = result.assignment
    if assignment is None:
        return []
    metrics = {**result.test.metrics, **assignment.metrics}
    frame = pd.DataFrame({f"{assignment.cells:,} cells": OF_CELLS})
    frame["one by one"] = [metrics[name] for name in OF_CELLS]
    frame["joint assignment"] = [metrics[f"{name}_assigned"] for name in OF_CELLS]
    lines = []
    if assignment.fold_means and result.fold_means:
        means = {**result.fold_means.metrics, **assignment.fold_means}
        pairs = []
        for name in OF_CELLS:
            pairs.append(f"{name} {number(means[name].value)}, {number(means[f'{name}_assigned'].value)}")
        lines.append(f"fold means, one by one and by the joint assignment: {'; '.join(pairs)}")
    cells = assignment.karyotypes
    lines.append(
        f"counts of {cells.abnormal} cells that are not 46,XX or 46,XY: exact in {cells.recovered} "
        f"(one by one in {cells.recovered_before}); of {cells.normal:,} that are, {cells.alarmed} "
        f"(one by one {cells.alarmed_before:,}) come out abnormal"
    )
    lines.append(_how_assigned(assignment))
    if assignment.chosen == "karyotype" and result.about.get("on") == VALIDATION:
        lines.append("the temperature of their probabilities is fitted on these same cells, which flatters a little")
    return [frame_table(frame, confidence=result.confidence), *map(Text, lines)]


def _how_assigned(assignment: AssignmentResult) -> str:
    if assignment.chosen == "karyotype":
        return "each cell has its most probable karyotype by the priors of conf/karyotype.yaml"
    costs = dict.fromkeys(f"{cost.extra:g} and {cost.missing:g}" for cost in assignment.costs)
    chosen = ", chosen on validation" if assignment.chosen == "validation" else ""
    return f"cost of a chromosome too many and too few: {' / '.join(costs)} nats{chosen}"


def _subjects(result: EvaluationResult) -> list[Table | Text]:
    """Subjects predicted by the mean of their images' probabilities, and by the share predicted as a class."""
    subjects = result.by_subject
    if not subjects:
        return []
    names = [name for name in BY_SUBJECT if name in subjects.rules["mean"].metrics]
    frame = pd.DataFrame({f"{subjects.subjects:,} subjects": names})
    for rule, result_of_rule in subjects.rules.items():
        frame[f"by {rule}"] = [result_of_rule.metrics[name] for name in names]
    lines = ["a subject is predicted by the mean probability of its images, or by the share predicted as a class"]
    if result.positive_class:
        limits = ", ".join(f"{name} {_limits(rule.threshold)}" for name, rule in subjects.rules.items())
        lines.append(f"positive from (chosen on validation subjects, else 0.5): {limits}")
    if subjects.left_out:
        lines.append(f"{subjects.left_out} subjects with images of several classes are left out")
    return [frame_table(frame, confidence=result.confidence), *map(Text, lines)]


def _operating_points(result: EvaluationResult) -> list[Table | Text]:
    rows = []
    for point in result.operating_points or []:
        rows.append((f"{point.wished:.2f}", _limits(point.threshold), point.sensitivity, point.specificity))
    if not rows:
        return []
    frame = pd.DataFrame(rows, columns=["wish", "from", "sensitivity", "specificity"])
    positive = quoted(result.positive_class or "")
    line = f"from: the probability of {positive} that keeps the wished sensitivity on validation"
    return [frame_table(frame, confidence=result.confidence), Text(line)]


def _subgroups(result: EvaluationResult) -> list[Table | Text]:
    # Small subgroups easily lack some of many classes, and a mean over classes would say just that.
    second = "auc" if result.positive_class else "f1_weighted"
    rows = []
    lines = []
    for by, of_by in groupby(result.subgroups, key=lambda row: row.by):
        shown = list(of_by)
        if len(shown) > SHOWN:
            lines.append(f"by {by}: the {SHOWN} with the lowest accuracy of {len(shown)}; subgroups.csv has all")
            shown = sorted(shown, key=lambda row: row.metrics["accuracy"].value or 0.0)[:SHOWN]
        for row in shown:
            name = f"{by} {row.group.replace('_', ' ')}"
            rows.append((name, row.images, row.metrics["accuracy"], row.metrics.get(second)))
    if not rows:
        return []
    frame = pd.DataFrame(rows, columns=["subgroup", "images", "accuracy", second])
    return [frame_table(frame, confidence=result.confidence, between="-"), *map(Text, lines)]


def _calibration(result: EvaluationResult) -> list[str]:
    """The calibration before and after scaling, a line each."""
    calibration = result.calibration
    if calibration is None:
        return []
    lines = [f"calibration: {_errors(calibration.before)}; ECE in {calibration.bins} equally wide bins"]
    if calibration.after:
        temperature = temperature_of(calibration.temperature)
        lines.append(f"after scaling, temperature {temperature}: {_errors(calibration.after)}")
    return lines


def _errors(side: CalibrationMetrics) -> str:
    texts = []
    for title, value in (("ECE", side.ece), ("Brier", side.brier), ("NLL", side.nll)):
        estimate = side.intervals.get(title.lower())  # absent in old results
        texts.append(f"{title} {estimate or number(value)}")
    return ", ".join(texts)


def _triage(result: EvaluationResult) -> list[Table | Text]:
    """The rules of triage, the release and the conformal sets."""
    triage = result.triage
    if triage is None:
        return _referral(result)
    rows = []
    for rule in triage.rules:
        reviewed = f"{rule.review:,} ({rule.review_share:.0%})"
        rows.append((rule.rule, reviewed, rule.alone, rule.accuracy.value, rule.missed, rule.sensitivity.value))
    frame = pd.DataFrame(rows, columns=["triage rule", "reviewed", "alone", "accuracy", "missed", "sensitivity"])
    name = result.positive_class
    thresholds = [release.threshold for release in triage.release.validation if release.threshold is not None]
    text = f"{thresholds[0]:.4g}"
    if len(thresholds) > 1:
        text = f"each fold's own ({min(thresholds):.4g} to {max(thresholds):.4g})"
    test = triage.release.test
    lines = [
        "reviewed: by a person, assumed to be always right; accuracy: of the predictions without review",
        f"release below a probability of “{name}” of {text}, chosen on validation: sensitivity {test} on "
        f"{test.total:,} test images of “{name}”",
    ]
    conformal = triage.conformal
    for title, sets in (("conformal sets", conformal.marginal), ("conformal sets by class", conformal.by_class)):
        if sets is not None:
            by_class = ", ".join(f"{quoted(name)} {number(share.value)}" for name, share in sets.per_class.items())
            sizes = f"one class {sets.one:.2f}, both {sets.several:.2f}, none {sets.none:.2f}"
            coverage = f"coverage {number(sets.coverage.value)} ({by_class})"
            lines.append(f"{title}, requested {conformal.coverage:g}: {coverage}; {sizes}")
    return [frame_table(frame), *map(Text, lines)]


def _referral(result: EvaluationResult) -> list[Table | Text]:
    """Referral by confidence and the conformal sets, of more than two classes."""
    referral = result.referral
    if referral is None:
        return []
    test = referral.referred
    lines = [
        f"referral by confidence, for an accuracy of {referral.accuracy:g} on validation: {test.hits:,} of "
        f"{test.total:,} test images referred; accuracy of the others {referral.correct}"
    ]
    conformal = referral.conformal
    if conformal is not None and conformal.marginal is not None:
        sets = conformal.marginal
        sizes = f"one class {sets.one:.2f}, several {sets.several:.2f}, none {sets.none:.2f}"
        lines.append(
            f"conformal sets, requested coverage {conformal.coverage:g}: {number(sets.coverage.value)}; {sizes}"
        )
    return list(map(Text, lines))


def _limits(threshold: float | Sequence[float | None] | None) -> str:
    """A threshold, or the ends of the folds'; 0.5 for one that validation does not choose."""
    thresholds = threshold if isinstance(threshold, Sequence) else [threshold]
    values = [0.5 if value is None else value for value in thresholds]
    low = min(values)
    high = max(values)
    return f"{low:.3f}" if low == high else f"{low:.2f}-{high:.2f}"
