"""Calibration and triage on the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from evaluation.result import CalibrationMetrics, CalibrationResult, ConformalSets, EvaluationResult, Share

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
        cells = [reviewed, f"{rule.alone:,}", _value(rule.accuracy), f"{rule.missed:,}", _value(rule.sensitivity)]
        table.add_row(rule.rule, *cells)
    lines = [CAPTION, _release(result)]
    lines += _sets("conformal sets", triage.conformal.coverage, triage.conformal.marginal)
    lines += _sets("conformal sets by class", triage.conformal.coverage, triage.conformal.by_class)
    return [table, *map(Text, lines)]


def temperature_of(value: float | None | list[float | None]) -> str:
    """Format a temperature, or the range of those of several folds."""
    values = value if isinstance(value, list) else [value]
    numbers = [number for number in values if number is not None]
    ends = dict.fromkeys(f"{number:.2f}" for number in (min(numbers), max(numbers)))
    return " to ".join(ends)


def _release(result: EvaluationResult) -> str:
    assert result.triage is not None
    name = result.positive_class
    thresholds = [release.threshold for release in result.triage.release.validation if release.threshold is not None]
    text = f"{thresholds[0]:.4g}"
    if len(thresholds) > 1:
        text = f"each fold's own ({min(thresholds):.4g} to {max(thresholds):.4g})"
    test = result.triage.release.test
    return (
        f"release below {name} = {text}, chosen on validation: sensitivity {test.value:.3f} "
        f"({test.low:.3f} to {test.high:.3f}) on {test.total:,} {name} test images"
    )


def _sets(title: str, coverage: float, sets: ConformalSets | None) -> list[str]:
    if sets is None:
        return []
    by_class = ", ".join(f"{name} {_value(share)}" for name, share in sets.per_class.items())
    sizes = f"one class {sets.one:.2f}, both {sets.several:.2f}, none {sets.none:.2f}"
    return [f"{title}, requested {coverage:g}: coverage {_value(sets.coverage)} ({by_class}); {sizes}"]


def _value(share: Share) -> str:
    if share.value is None:
        return "-"
    return f"{share.value:.3f}"


def _metrics(side: CalibrationMetrics) -> str:
    texts = []
    for title, name in (("ECE", "ece"), ("Brier", "brier"), ("NLL", "nll")):
        text = f"{title} {getattr(side, name):.3f}"
        interval = side.intervals.get(name)  # absent in old results
        if interval is not None and interval.low is not None:
            text += f" ({interval.low:.3f} to {interval.high:.3f})"
        texts.append(text)
    return ", ".join(texts)
