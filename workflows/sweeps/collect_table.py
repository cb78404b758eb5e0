"""What was collected, for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from workflows.sweeps.collect import SEPARATOR
from workflows.sweeps.status_table import WIDE, duration

LABEL = 16  # characters of a label at least
NARROW = 75  # characters of a terminal in which two metrics find room
PLACE = 12  # more of them that fold, seed and state take
NARROW_METRICS = ("f1_weighted", "auc")
OF_TWO = ("accuracy", "sensitivity", "specificity")
OF_MORE = ("accuracy", "f1_macro", "balanced_accuracy")


def table(rows: Sequence[Mapping[str, Any]], width: int, confidence: float, each: bool = False) -> Group:
    """Draw a row per experiment, or per run; what there is no room for stands in the CSV.

    Args:
        rows: Cells by column, see ``collecting.summarised`` and ``collecting.row_of_run``.
        width: Characters of the terminal.
        confidence: Of the intervals.
        each: Whether each row is a run.
    """
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    columns = _columns(rows, width, each)
    for name in columns:
        words = name in ("label", "state", "device")
        if name == "label":
            least = min(LABEL, max(len(cell) for cell in columns[name]))
        else:
            least = None
        if words:
            justify = "left"
        else:
            justify = "right"
        drawn.add_column(name, overflow="fold", justify=justify, no_wrap=name != "label", min_width=least)
    for place in range(len(rows)):
        drawn.add_row(*(Text(cells[place]) for cells in columns.values()))
    said = [f"below each value: its {100 * confidence:.4g} % interval {_of_what(rows, each)}"]
    said += [] if each else ["time: of all finished runs of a row together, preparation and prediction included"]
    notes = [Text(line, style="dim") for line in said]
    warnings = [Text(f"! {line}", style="yellow") for line in _remarks(rows)]
    return Group(drawn, *notes, *warnings)


def _columns(rows: Sequence[Mapping[str, Any]], width: int, each: bool) -> dict[str, list[str]]:  # noqa: C901, PLR0912
    found = {"label": [str(row["label"]) for row in rows]}
    if each:
        found |= {name: [_plain(row.get(name)) for row in rows] for name in ("fold", "seed", "state")}
    else:
        found["runs"] = [_runs(row) for row in rows]
    two = [row.get("sensitivity") is not None for row in rows if row.get("f1_weighted") is not None]
    if all(two):
        further = OF_TWO
    elif not any(two):
        further = OF_MORE
    else:
        further = tuple(dict.fromkeys(OF_TWO + OF_MORE))
    if width >= NARROW + (PLACE if each else 0):
        narrow = NARROW_METRICS
    else:
        narrow = NARROW_METRICS[:1]
    for name in narrow + (further if width >= WIDE else ()):
        if any(row.get(name) is not None for row in rows):
            found[name] = [_interval(row, name) for row in rows]
    found["time"] = [_hours(row.get("total_hours")) for row in rows]
    for name, column in (("GPU h", "gpu_hours"), ("CPU h", "cpu_hours")):
        if any(row.get(column) for row in rows):
            found[name] = [_number(row.get(column), ".2f") for row in rows]
    if width >= WIDE:
        memory = {"GiB": "peak_memory_gib", "GPU GiB": "peak_device_memory_gib"}
        for name, column in memory.items():
            if any(row.get(column) for row in rows):
                found[name] = [_number(row.get(column), ".1f") for row in rows]
    return found


def _runs(row: Mapping[str, Any]) -> str:
    """How many runs there are, of how many there should be."""
    wanted = row["runs"] + row["failed"] + row["missing"]
    if wanted == row["runs"]:
        return str(row["runs"])
    return f"{row['runs']} of {wanted}"


def _interval(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return "-"
    low, high = (row.get(f"{name}_{end}_with_seeds", None) for end in ("low", "high"))
    low, high = (row.get(f"{name}_low"), row.get(f"{name}_high")) if low is None else (low, high)
    return f"{value:.3f}\n" + ("" if low is None or high is None else f"{low:.3f} to {high:.3f}")


def _of_what(rows: Sequence[Mapping[str, Any]], each: bool) -> str:
    known = [row.get("subjects") is not None for row in rows if row.get("images")]
    if all(known):
        whose = "over subjects"
    else:
        whose = "over subjects, or images where none is known"
    several = not each and any(row.get("f1_weighted_low_with_seeds") is not None for row in rows)
    return whose + (", and over seeds where there are several" if several else "")


def _remarks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must be known of the rows, each remark once, with the rows that it is about."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for remark in filter(None, str(row.get("remarks") or "").split(SEPARATOR)):
            found.setdefault(remark, []).append(str(row["label"]))
    whose = {
        remark: "all rows" if len(labels) == len(rows) > 1 else "; ".join(labels) for remark, labels in found.items()
    }
    revisions = sorted({one for row in rows for one in str(row.get("revision") or "").split()})
    mixed = f"the rows are of {len(revisions)} revisions of the code: {', '.join(revisions)}"
    return [f"{remark}: {labels}" for remark, labels in whose.items()] + [mixed] * (len(revisions) > 1)


def _hours(hours: float | None) -> str:
    if hours is None:
        return "unknown"
    return duration(3600 * hours)


def _number(value: float | None, digits: str) -> str:
    if value is None:
        return "-"
    return f"{value:{digits}}"


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    return str(value)
