"""The table of collected runs, for the terminal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from workflows.sweeps.status_table import WIDE, duration

LABEL_WIDTH = 16  # characters of a label at least
NARROW = 75  # characters of a terminal in which two metrics find room
RUN_COLUMNS = 12  # more of them that fold, seed and state take
BINARY = ("sensitivity", "specificity")
MULTICLASS = ("f1_macro", "balanced_accuracy")


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        heading: Its name.
        cell: Returns the text of a row's cell.
        key: The cell that must be set in some row for the column to be shown; None: always.
        is_text: Whether it is aligned to the left.
    """

    heading: str
    cell: Callable[[Mapping[str, Any]], str]
    key: str | None = None
    is_text: bool = False


def collected_table(rows: Sequence[Mapping[str, Any]], width: int, confidence: float, each: bool = False) -> Group:
    """Draw a row per experiment, or per run; what there is no room for is in the CSV.

    Args:
        rows: Of :func:`workflows.sweeps.collect.collect_rows`, or ``run_rows``.
        width: Characters of the terminal.
        confidence: Of the intervals.
        each: Whether each row is a run.
    """
    columns = [column for column in _columns(rows, width, each) if _is_shown(column, rows)]
    longest = max((len(row["label"]) for row in rows), default=0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        is_label = column.heading == "label"
        table.add_column(
            column.heading,
            overflow="fold",
            justify="left" if column.is_text else "right",
            no_wrap=not is_label,
            min_width=min(LABEL_WIDTH, longest) if is_label else None,
        )
    for row in rows:
        table.add_row(*[Text(column.cell(row)) for column in columns])
    notes = [f"below each value: its {100 * confidence:.4g} % interval {_interval_kind(rows, each)}"]
    if not each:
        notes.append("time: of all finished runs of a row together, preparation and prediction included")
    lines = [Text(note, style="dim") for note in notes]
    lines += [Text(f"! {remark}", style="yellow") for remark in _remarks(rows)]
    return Group(table, *lines)


def _columns(rows: Sequence[Mapping[str, Any]], width: int, each: bool) -> list[Column]:
    columns = [Column("label", lambda row: row["label"], is_text=True)]
    if each:
        columns += [Column("fold", _plain("fold")), Column("seed", _plain("seed"))]
        columns.append(Column("state", _plain("state"), is_text=True))
    else:
        columns.append(Column("runs", _runs))
    metrics = ["f1_weighted"]
    if width >= NARROW + RUN_COLUMNS * each:
        metrics.append("auc")
    if width >= WIDE:
        evaluated = [row for row in rows if row.get("f1_weighted") is not None]
        binary = [row.get("sensitivity") is not None for row in evaluated]
        metrics.append("accuracy")
        metrics += BINARY if any(binary) or not binary else ()
        metrics += MULTICLASS if not all(binary) else ()
    columns += [Column(name, _interval(name), name) for name in metrics]
    columns.append(Column("time", _time))
    columns += [Column("GPU h", _number("gpu_hours", ".2f"), "gpu_hours")]
    columns += [Column("CPU h", _number("cpu_hours", ".2f"), "cpu_hours")]
    if width >= WIDE:
        columns.append(Column("GiB", _number("peak_memory_gib", ".1f"), "peak_memory_gib"))
        columns.append(Column("GPU GiB", _number("peak_device_memory_gib", ".1f"), "peak_device_memory_gib"))
    return columns


def _is_shown(column: Column, rows: Sequence[Mapping[str, Any]]) -> bool:
    if column.key is None:
        return True
    if column.heading == column.key:  # a metric may be 0
        return any(row.get(column.key) is not None for row in rows)
    return any(row.get(column.key) for row in rows)


def _runs(row: Mapping[str, Any]) -> str:
    """The number of runs, of how many there should be."""
    wanted = row["runs"] + row["failed"] + row["missing"]
    return str(row["runs"]) if wanted == row["runs"] else f"{row['runs']} of {wanted}"


def _plain(key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: "-" if row.get(key) is None else str(row[key])


def _number(key: str, digits: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: "-" if row.get(key) is None else f"{row[key]:{digits}}"


def _time(row: Mapping[str, Any]) -> str:
    hours = row.get("total_hours")
    return "unknown" if hours is None else duration(3600 * hours)


def _interval(name: str) -> Callable[[Mapping[str, Any]], str]:
    def cell(row: Mapping[str, Any]) -> str:
        value = row.get(name)
        if value is None:
            return "-"
        ends = [row.get(f"{name}_{end}_with_seeds") for end in ("low", "high")]
        if ends[0] is None:
            ends = [row.get(f"{name}_{end}") for end in ("low", "high")]
        if None in ends:
            return f"{value:.3f}\n"
        return f"{value:.3f}\n{ends[0]:.3f} to {ends[1]:.3f}"

    return cell


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
