"""Calibration and triage for the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

COLUMNS = ("reviewed", "alone", "right", "missed", "sensitivity")
CAPTION = "reviewed: by a person, taken to be always right; right: share of what is decided alone"


def calibration_lines(calibration: dict | None) -> list[str]:
    """Say how well probabilities hold, before and after the scaling, a line each; none without calibration."""
    if calibration is None:
        return []
    before = calibration["before"]
    after = calibration["after"]
    lines = [f"calibration: {_measures(before)}; ECE in {calibration['bins']} equally wide bins"]
    if after:
        lines.append(f"after scaling, {_temperature(calibration['temperature'])}: {_measures(after)}")
    return lines


def triage_parts(judgement: dict) -> list[Table | Text]:
    """Draw the rules of triage, a row each, and the threshold below which images are released; none without triage."""
    triage = judgement.get("triage")
    if triage is None:
        return []
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column("triage rule", no_wrap=True)
    for column in COLUMNS:
        result.add_column(column, justify="right", no_wrap=True)
    for row in triage["rules"]:
        right = row["accuracy"]["value"]
        sensitivity = row["sensitivity"]["value"]
        cells = [row["rule"], f"{row['review']:,} ({row['review_share']:.0%})", f"{row['alone']:,}"]
        result.add_row(*cells, "-" if right is None else f"{right:.3f}", f"{row['missed']:,}", f"{sensitivity:.3f}")
    return [result, Text(CAPTION), Text(_release(judgement)), *map(Text, _sets(triage["conformal"]))]


def _release(judgement: dict) -> str:
    found = judgement["triage"]["release"]
    name = judgement["positive_class"]
    limits = [one["threshold"] for one in found["validation"]]
    if len(limits) == 1:
        said = f"{limits[0]:.4g}"
    else:
        said = f"each fold's own ({min(limits):.4g} to {max(limits):.4g})"
    test = found["test"]
    return (
        f"release below {name} = {said}, chosen on validation: sensitivity {test['value']:.3f} "
        f"({test['low']:.3f} to {test['high']:.3f}) on {test['total']:,} {name} test images"
    )


def _sets(found: dict) -> list[str]:
    lines = []
    for key, text in (("marginal", "conformal sets"), ("by_class", "conformal sets by class")):
        if found[key] is not None:
            each = ", ".join(f"{name} {_share(one)}" for name, one in found[key]["per_class"].items())
            lines.append(
                f"{text}, wished {found['coverage']:g}: hold the truth {_share(found[key]['coverage'])} ({each}); one "
                f"class {found[key]['one']:.2f}, both {found[key]['several']:.2f}, none {found[key]['none']:.2f}"
            )
    return lines


def _share(one: dict) -> str:
    if one["value"] is None:
        return "-"
    return f"{one['value']:.3f}"


def _measures(found: dict) -> str:
    ends = found.get("intervals") or {}  # earlier judgements had none
    names = (("ECE", "ece"), ("Brier", "brier"), ("NLL", "nll"))
    return ", ".join(f"{text} {found[name]:.3f}{_ends(ends.get(name))}" for text, name in names)


def _ends(interval: dict | None) -> str:
    if interval is None or interval["low"] is None:
        return ""
    return f" ({interval['low']:.3f} to {interval['high']:.3f})"


def _temperature(value: float | list[float]) -> str:
    if isinstance(value, list):
        values = value
    else:
        values = [value]
    ends = dict.fromkeys(f"{one:.2f}" for one in (min(values), max(values)))
    return f"temperature {' to '.join(ends)}"
