"""Calibration and triage on the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from evaluation.core.formats import interval, number
from evaluation.result import CalibrationMetrics, CalibrationResult, EvaluationResult

COLUMNS = ("reviewed", "alone", "accuracy", "missed", "sensitivity")
CAPTION = "reviewed: by a person, assumed to be always right; accuracy: of the predictions without review"


def calibration_lines(calibration: CalibrationResult | None) -> list[str]:
    """Return the calibration before and after scaling, a line each."""
    if calibration is None:
        return []
    lines = [f"calibration: {_metrics(calibration.before)}; ECE in {calibration.bins} equally wide bins"]
    if calibration.after:
        temperature = temperature_of(calibration.temperature)
        lines.append(f"after scaling, temperature {temperature}: {_metrics(calibration.after)}")
    return lines


def triage_parts(result: EvaluationResult) -> list[Table | Text]:
    """Return the table of the rules of triage, the release and the conformal sets; none without triage."""
    triage = result.triage
    if triage is None:
        return []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("triage rule", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for rule in triage.rules:
        reviewed = f"{rule.review:,} ({rule.review_share:.0%})"
        cells = [
            reviewed,
            f"{rule.alone:,}",
            number(rule.accuracy.value),
            f"{rule.missed:,}",
            number(rule.sensitivity.value),
        ]
        table.add_row(rule.rule, *cells)
    name = result.positive_class
    thresholds = [release.threshold for release in triage.release.validation if release.threshold is not None]
    text = f"{thresholds[0]:.4g}"
    if len(thresholds) > 1:
        text = f"each fold's own ({min(thresholds):.4g} to {max(thresholds):.4g})"
    test = triage.release.test
    sensitivity = interval(test.value, test.low, test.high)
    lines = [CAPTION, f"release below {name} = {text}, chosen on validation: sensitivity {sensitivity} on "]
    lines[-1] += f"{test.total:,} {name} test images"
    conformal = triage.conformal
    for title, sets in (("conformal sets", conformal.marginal), ("conformal sets by class", conformal.by_class)):
        if sets is not None:
            by_class = ", ".join(f"{name} {number(share.value)}" for name, share in sets.per_class.items())
            sizes = f"one class {sets.one:.2f}, both {sets.several:.2f}, none {sets.none:.2f}"
            coverage = f"coverage {number(sets.coverage.value)} ({by_class})"
            lines.append(f"{title}, requested {conformal.coverage:g}: {coverage}; {sizes}")
    return [table, *map(Text, lines)]


def temperature_of(value: float | None | list[float | None]) -> str:
    """Format a temperature, or the range of those of several folds."""
    values = value if isinstance(value, list) else [value]
    numbers = [temperature for temperature in values if temperature is not None]
    return " to ".join(dict.fromkeys(f"{temperature:.2f}" for temperature in (min(numbers), max(numbers))))


def _metrics(side: CalibrationMetrics) -> str:
    texts = []
    for title, value in (("ECE", side.ece), ("Brier", side.brier), ("NLL", side.nll)):
        ends = side.intervals.get(title.lower())  # absent in old results
        texts.append(f"{title} {interval(value, ends.low, ends.high) if ends else number(value)}")
    return ", ".join(texts)
