"""The table of a sweep's status, for the terminal and as CSV."""

import re
import textwrap
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from common.cli import console
from workflows.sweeps.selection import Selection
from workflows.sweeps.status import (
    ADDRESS,
    METRIC,
    SILENT,
    JobStatus,
    count_states,
    is_over,
    share_done,
    short_names,
    time_left,
    varying_keys,
)

if TYPE_CHECKING:
    import pandas as pd

# The states, those that want attention first.
STYLES = {
    "failed": "bold red",
    "lost": "bold red",
    "running": "cyan",
    "interrupted": "yellow",
    "preempted": "yellow",
    "pruned": "yellow",
    "finished": "green",
    "waiting": "dim",
}
SELF_EXPLANATORY = ("experiment", "name", "protocol", ADDRESS)  # keys whose values need no name
ERROR_LENGTH = 240  # characters of an error's last line
PROGRESS_COLUMNS = ["stage_name", "stage", "stages", "epoch", "epochs", "step", "steps", "images_seen"]
PROGRESS_COLUMNS += ["monitor", "best"]


def status_report(
    name: str, statuses: Sequence[JobStatus], width: int, rows: int | None = None, bad: bool = False
) -> Group:
    """Draw the status of a sweep's jobs: a row each, the reasons of failures, and a line that sums up.

    At most ``rows`` are shown, failed and running ones first; None: all, in the sweep's order. With ``bad`` only what
    failed or was lost, with the whole of each error. ``width``: characters of the terminal.
    """
    keys = distinguishing_keys(statuses)
    shown = [status for status in statuses if status.is_bad or not bad]
    reasons = [_failure(status, keys, bad) for status in statuses if status.is_bad]
    if rows is not None and len(shown) + len(reasons) > rows:
        reasons = reasons[: rows // 4]
        shown = sorted(shown, key=lambda status: list(STYLES).index(status.state))
        shown = shown[: rows - len(reasons)]
    parts: list[RenderableType] = [Text(name, style="bold")]
    if shown:
        parts.append(_table(shown, keys, width))
    if len(shown) < len(statuses) and not bad:
        parts.append(Text(f"and {len(statuses) - len(shown)} more", style="dim"))
    if any(status.metric for status in shown):
        parts.append(Text(f"finished: {METRIC} of the test images, with its interval", style="dim"))
    return Group(*parts, *reasons, *_summary(statuses, width))


def watch_status(selection: Selection, seconds: float, silence: float) -> list[JobStatus]:
    """Show the table again every so many seconds until all is over; Ctrl-C ends the watching, not the jobs."""
    statuses = selection.statuses(silence)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                rows = max(5, console.height - 7)
                live.update(status_report(selection.name, statuses, console.width, rows), refresh=True)
                if is_over(statuses):
                    return statuses
                time.sleep(seconds)
                statuses = selection.statuses(silence)
        except KeyboardInterrupt:  # the usual end: the table stays
            return statuses


def status_frame(statuses: Sequence[JobStatus]) -> "pd.DataFrame":
    """Return a row per job with all its facts."""
    import pandas as pd

    names = short_names(distinguishing_keys(statuses))
    rows = []
    for status in statuses:
        row: dict[str, Any] = {"job": status.key}
        row |= {name: status.overrides.get(key) for key, name in names.items()}
        row |= {"state": status.state}
        row |= {name: getattr(status.progress, name) for name in PROGRESS_COLUMNS}
        row |= {METRIC: status.metric.get("value")}
        row |= {f"{METRIC}_{end}": status.metric.get(end) for end in ("low", "high")}
        row |= {
            "seconds": status.seconds,
            "seconds_left": status.seconds_left,
            "host": status.host,
            "gpus": status.gpus,
        }
        row |= {name: status.record.get(name) for name in ("slurm_job", "attempts")}
        row |= {"error": status.error or status.note, "run": status.folder}
        rows.append(row)
    # A column with gaps would turn whole numbers into fractions.
    return pd.DataFrame(rows).convert_dtypes()


def job_name(status: JobStatus, keys: Sequence[str]) -> str:
    """Return a name that tells a job from the others, such as "resnet18, fold 2": see ``distinguishing_keys``."""
    parts = []
    for key, name in short_names(keys).items():
        if key in status.overrides:
            prefix = "" if key in SELF_EXPLANATORY else f"{name} "
            parts.append(prefix + status.overrides[key])
    return ", ".join(parts)


def distinguishing_keys(statuses: Sequence[JobStatus]) -> list[str]:
    """Return the keys that tell the jobs apart: those that vary, the address only where it is needed.

    Of a single job it is the first key that it has.
    """
    keys = varying_keys([status.overrides for status in statuses])
    others = [key for key in keys if key != ADDRESS]
    distinct = {tuple(status.overrides.get(key) for key in others) for status in statuses}
    if len(distinct) == len(statuses) > 1:
        return others
    if not keys and statuses:
        return list(statuses[0].overrides)[:1]
    return keys


def draw_table(
    columns: Mapping[str, Sequence[str | Text]],
    left: Sequence[str] = (),
    folded: Sequence[str] = (),
    min_width: int | None = None,
) -> Table:
    """Lay out the cells of each column, by its heading, aligned to the right except those in ``left``.

    Columns in ``folded`` are folded where the terminal is narrow, to ``min_width`` characters at least.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        is_folded = name in folded
        justify: Any = "left" if name in left else "right"
        width = min_width if is_folded else None
        table.add_column(name, overflow="fold", justify=justify, no_wrap=not is_folded, min_width=width)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*[Text(cell) if isinstance(cell, str) else cell for cell in cells])
    return table


def duration(seconds: float) -> str:
    """Return seconds in the units of a person: "40 s", "12 min", "3 h 05 min", "2 d 4 h"."""
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def _table(statuses: Sequence[JobStatus], keys: Sequence[str], width: int) -> Table:
    names = short_names(keys)
    columns: dict[str, list[str | Text]] = {}
    for key, name in names.items():
        columns[name] = [status.overrides.get(key, "-") for status in statuses]
    widths = [max(map(len, [name, *map(str, cells)])) for name, cells in columns.items()]
    columns["state"] = [Text(status.state, style=STYLES.get(status.state, "")) for status in statuses]
    for name, text in (("progress", _progress), ("time", _time), ("GPU", _short_gpus)):
        cells = [text(status) for status in statuses]
        if any(cells):
            columns[name] = list(cells)
    folded = ["progress"]
    if sum(widths) + 2 * len(keys) >= 0.6 * width:  # the end of a name tells it apart: where there is room, whole
        folded += names.values()
    return draw_table(columns, left=[*names.values(), "state", "progress"], folded=folded)


def _summary(statuses: Sequence[JobStatus], width: int) -> list[RenderableType]:
    """The counts, the share that is done, and the time that is left."""
    counts = Text(f"{len(statuses)} jobs: ")
    states = [Text(f"{count} {state}", style=STYLES.get(state, "")) for state, count in count_states(statuses).items()]
    share = share_done(statuses)
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=1.0, completed=share, width=max(10, min(40, width // 3)))
    line.add_row(bar, f"{100 * share:.0f} %", _describe_time_left(statuses))
    return [counts + Text(", ").join(states), line]


def _describe_time_left(statuses: Sequence[JobStatus]) -> str:
    left = time_left(statuses)
    running = sum(status.state == "running" for status in statuses)
    bad = sum(status.is_bad for status in statuses)
    if left is None:
        return "time left unknown" if running else "nothing runs at the moment"
    if left > 0.0:
        return f"about {duration(left)} left at most, {running} at a time"
    return f"nothing is left to run; {bad} did not end well" if bad else "all is done"


def _failure(status: JobStatus, keys: Sequence[str], whole: bool) -> Text:
    """Why a job did not end well; below the table, since a sentence is longer than a column is wide."""
    if status.state == "failed":
        reason = (status.error or "no error was recorded").strip()
        if not whole:
            reason = textwrap.shorten(reason.splitlines()[-1], ERROR_LENGTH, placeholder="...")
    else:
        reason = _joined(status.note, _silence(status))
    return Text.assemble((f"{status.state}: {job_name(status, keys)}: ", STYLES[status.state]), reason)


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _progress(status: JobStatus) -> str:
    """How far the training is or was and where, what comes next, and the best or the final figure."""
    parts: list[str | None] = []
    if status.state == "running":
        parts.append(_epoch(status) or "preparing")
    elif status.state == "lost":  # the note is below the table
        parts.append(_epoch(status))
    elif status.state not in ("finished", "failed"):
        parts += [status.note, _epoch(status)]
    if status.state == "preempted":
        parts.append("goes on by itself")
    if status.note == SILENT:
        parts.append(_silence(status))
    return _joined(*parts, _figure(status), _where(status))


def _epoch(status: JobStatus) -> str:
    """Stage and epoch, such as "finetune (2/2) epoch 3/10"."""
    progress = status.progress
    if progress.epoch is None:
        return ""
    if progress.over and progress.stage == progress.stages and status.state == "running":
        return "predicting"
    place = f" ({progress.stage}/{progress.stages})" if progress.stages > 1 else ""
    return f"{progress.stage_name}{place} epoch {progress.epoch}/{progress.epochs}".strip()


def _silence(status: JobStatus) -> str:
    if status.last_change is None:
        return "no sign of life"
    silence = time.time() - status.last_change
    clock = "%Y-%m-%d %H:%M" if silence > 20 * 3600 else "%H:%M"
    since = datetime.fromtimestamp(status.last_change).strftime(clock)
    text = f"no sign of life since {since} ({duration(silence)})"
    return f"{text} on {status.host}" if status.host else text


def _figure(status: JobStatus) -> str:
    """The test metric of a finished job with its interval; the best of validation so far of another one."""
    value, low, high = (status.metric.get(part) for part in ("value", "low", "high"))
    if value is not None:
        return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
    best = status.progress.best
    if best is None or status.state == "finished":
        return ""
    return f"{status.progress.monitor or 'best'} {best:.3f}"


def _time(status: JobStatus) -> str:
    if status.state == "running":
        return "" if status.seconds_left is None else f"< {duration(status.seconds_left)} left"
    if status.seconds is None or status.state == "waiting":
        return ""
    return duration(status.seconds)


def _short_gpus(status: JobStatus) -> str:
    """The GPUs that a running job has, such as "2,3"; UUIDs by their first digits."""
    if status.state != "running" or status.gpus is None:
        return ""
    return ",".join(re.findall(r"(?:^|,)((?:MIG-)?(?:GPU-)?\w+)", status.gpus))


def _where(status: JobStatus) -> str:
    """Host, job of Slurm and attempt of a job that runs."""
    if status.state != "running":
        return ""
    words = [status.host or ""]
    if status.record.get("slurm_job"):
        words.append(f"job {status.record['slurm_job']}")
    if status.record.get("attempts", 1) > 1:
        words.append(f"try {status.record['attempts']}")
    return " ".join(words).strip()
