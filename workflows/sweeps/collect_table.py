"""The table of collected runs, for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from workflows.sweeps.status_table import draw_table, duration

WIDE = 130  # characters of a terminal in which further figures have columns
LABEL_WIDTH = 16  # characters of a label at least
NARROW = 75  # characters of a terminal in which two metrics find room
RUN_COLUMNS = 12  # more of them that fold, seed and state take
BINARY = ("sensitivity", "specificity")
MULTICLASS = ("f1_macro", "balanced_accuracy")
# Columns of costs: the key of a row, and the format.
HOURS = {"GPU h": ("gpu_hours", ".2f"), "CPU h": ("cpu_hours", ".2f")}
MEMORY = {"GiB": ("peak_memory_gib", ".1f"), "GPU GiB": ("peak_device_memory_gib", ".1f")}


def collected_table(rows: Sequence[Mapping[str, Any]], width: int, confidence: float, each: bool = False) -> Group:
    """Draw a row per experiment, or per run with ``each``; what there is no room for is in the CSV.

    ``rows`` are those of ``collect_rows`` or ``run_rows``, ``width`` the characters of the terminal.
    """
    columns = {"label": [row["label"] for row in rows]}
    if each:
        for name in ("fold", "seed", "state"):
            columns[name] = ["-" if row.get(name) is None else str(row[name]) for row in rows]
    else:
        columns["runs"] = [_runs(row) for row in rows]
    for name in _metrics(rows, width, each):
        if any(row.get(name) is not None for row in rows):
            columns[name] = [_interval(row, name) for row in rows]
    hours = [row.get("total_hours") for row in rows]
    columns["time"] = ["unknown" if value is None else duration(3600 * value) for value in hours]
    for heading, (name, digits) in (HOURS | MEMORY if width >= WIDE else HOURS).items():
        if any(row.get(name) for row in rows):
            columns[heading] = ["-" if row.get(name) is None else f"{row[name]:{digits}}" for row in rows]
    longest = max((len(row["label"]) for row in rows), default=0)
    table = draw_table(columns, left=("label", "state"), folded=("label",), min_width=min(LABEL_WIDTH, longest))
    notes = [f"below each value: its {100 * confidence:.4g} % interval {_interval_kind(rows, each)}"]
    if not each:
        notes.append("time: of all finished runs of a row together, preparation and prediction included")
    lines = [Text(note, style="dim") for note in notes]
    lines += [Text(f"! {remark}", style="yellow") for remark in _remarks(rows)]
    return Group(table, *lines)


def _metrics(rows: Sequence[Mapping[str, Any]], width: int, each: bool) -> list[str]:
    metrics = ["f1_weighted"]
    if width >= NARROW + RUN_COLUMNS * each:
        metrics.append("auc")
    if width >= WIDE:
        binary = [row.get("sensitivity") is not None for row in rows if row.get("f1_weighted") is not None]
        metrics.append("accuracy")
        metrics += BINARY if any(binary) or not binary else ()
        metrics += MULTICLASS if not all(binary) else ()
    return metrics


def _runs(row: Mapping[str, Any]) -> str:
    """The number of runs, of how many there should be."""
    wanted = row["runs"] + row["failed"] + row["missing"]
    return str(row["runs"]) if wanted == row["runs"] else f"{row['runs']} of {wanted}"


def _interval(row: Mapping[str, Any], name: str) -> str:
    if row.get(name) is None:
        return "-"
    for kind in ("_with_seeds", ""):
        low, high = (row.get(f"{name}_{end}{kind}") for end in ("low", "high"))
        if low is not None and high is not None:
            return f"{row[name]:.3f}\n{low:.3f} to {high:.3f}"
    return f"{row[name]:.3f}\n"


def _interval_kind(rows: Sequence[Mapping[str, Any]], each: bool) -> str:
    kind = "over subjects"
    if any(row.get("images") and row.get("subjects") is None for row in rows):
        kind = "over subjects, or images where none is known"
    if not each and any(row.get("f1_weighted_low_with_seeds") is not None for row in rows):
        kind += ", and over seeds where there are several"
    return kind


def _remarks(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must be known of the rows, each remark once, with the rows that it is about."""
    labels: dict[str, list[str]] = {}
    for row in rows:
        for remark in row.get("remarks", ()):
            labels.setdefault(remark, []).append(row["label"])
    lines = []
    for remark, own in labels.items():
        about = "all rows" if len(own) == len(rows) > 1 else "; ".join(own)
        lines.append(f"{remark}: {about}")
    revisions = sorted({revision for row in rows for revision in (row.get("revision") or "").split()})
    if len(revisions) > 1:
        lines.append(f"the rows are of {len(revisions)} revisions of the code: {', '.join(revisions)}")
    return lines
