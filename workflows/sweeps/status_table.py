"""The table of how a sweep stands, for the terminal and as CSV."""

import time
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from workflows.sweeps.status import (
    ADDRESS,
    BAD,
    METRIC,
    SILENT,
    JobStatus,
    counts,
    share_done,
    short_names,
    time_left,
    varying,
)

WIDE = 130  # characters of a terminal in which figures have columns of their own
STYLES = {
    "running": "cyan",
    "finished": "green",
    "waiting": "dim",
    "preempted": "yellow",
    "pruned": "yellow",
    "interrupted": "yellow",
    "failed": "bold red",
    "lost": "bold red",
}
SHOWN_FIRST = ("failed", "lost", "running", "interrupted", "preempted", "pruned", "finished", "waiting")
SELF_TOLD = ("experiment", "name", "protocol", ADDRESS)  # keys whose values say what they are
CUT = 240  # characters of an error's last line


def report(name: str, standings: Sequence[JobStatus], width: int, rows: int | None = None, bad: bool = False) -> Group:
    """Draw how all jobs stand: a row each, why those that did not end well did not, and a line that sums up.

    Args:
        name: The sweep's name.
        standings: Its jobs.
        width: Characters of the terminal.
        rows: Show so many rows at most, failed and running ones first; None: all, in the sweep's order.
        bad: Show only what failed or was lost, and the whole of each error.
    """
    keys = told_apart(standings)
    shown = [one for one in standings if not bad or one.state in BAD]
    reasons = [_reason(one, keys, bad) for one in shown if one.state in BAD]
    if rows is not None and len(shown) + len(reasons) > rows:
        reasons = reasons[: rows // 4]
        shown = sorted(shown, key=lambda one: SHOWN_FIRST.index(one.state) if one.state in SHOWN_FIRST else 0)
        shown = shown[: rows - len(reasons)]
    parts: list[RenderableType] = [Text(name, style="bold")]
    parts += [_table(shown, keys, width)] if shown else []
    if (left_out := len(standings) - len(shown)) and not bad:
        parts.append(Text(f"and {left_out} more", style="dim"))
    if any(one.metric for one in shown):
        parts.append(Text(f"finished: {METRIC} of the test images, with its interval", style="dim"))
    return Group(*parts, *reasons, *summary(standings, width))


def name_of(one: JobStatus, keys: Sequence[str]) -> str:
    """Return what tells a job from the others in words, such as "resnet18, fold 2": see :func:`told_apart`."""
    names = short_names(keys)
    said = [key for key in keys if key in one.words]
    return ", ".join(one.words[key] if key in SELF_TOLD else f"{names[key]} {one.words[key]}" for key in said)


def told_apart(standings: Sequence[JobStatus]) -> list[str]:
    """Return the keys that tell the jobs apart: those that vary, without the runs' addresses where they are not needed.

    Of a single job it is the first key that it has.
    """
    keys = varying(standings)
    plain = [key for key in keys if key != ADDRESS]
    if len({tuple(one.words.get(key) for key in plain) for one in standings}) == len(standings) > 1:
        keys = plain
    return keys or [key for one in standings[:1] for key in one.words][:1]


def summary(standings: Sequence[JobStatus], width: int) -> list[RenderableType]:
    """Draw the counts, the share that is done, and the time that is left."""
    said = Text(f"{len(standings)} jobs: ")
    for place, (state, count) in enumerate(counts(standings).items()):
        said.append(", " if place else "").append(f"{count} {state}", style=STYLES.get(state, ""))
    share = share_done(standings)
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=1.0, completed=share, width=max(10, min(40, width // 3)))
    line.add_row(bar, f"{100 * share:.0f} %", _left_of_all(standings))
    return [said, line]


def frame(standings: Sequence[JobStatus]) -> pd.DataFrame:
    """Return a row per job with all that is known of it."""
    keys = told_apart(standings)
    names = short_names(keys)
    rows = []
    for one in standings:
        words = {names[key]: one.words.get(key) for key in keys}
        about = {name: one.progress.get(name) for name in ("stage_name", "stage", "stages", "epoch", "epochs")}
        about |= {name: one.progress.get(name) for name in ("step", "steps", "images_seen", "monitor", "best")}
        place = {name: one.record.get(name) or one.progress.get(name) for name in ("host", "slurm_job", "attempts")}
        metric = {METRIC: one.metric.get("value"), f"{METRIC}_low": one.metric.get("low")}
        metric |= {f"{METRIC}_high": one.metric.get("high")}
        cost = {"seconds": one.seconds, "seconds_left": one.seconds_left}
        said = {"error": one.error or one.note, "run": None if one.run is None else str(one.run)}
        rows.append({"job": one.key, **words, "state": one.state, **about, **metric, **cost, **place, **said})
    # Numbers as they are: a column with gaps would turn whole ones into fractions.
    return pd.DataFrame(rows).convert_dtypes()


def _table(standings: Sequence[JobStatus], keys: Sequence[str], width: int) -> Table:
    """A row per job; where there is room, figures have columns of their own."""
    columns = _columns(standings, width)
    names = short_names(keys)
    room = sum(max([len(names[key]), *(len(one.words.get(key, "-")) for one in standings)]) + 2 for key in keys)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for key in keys:  # the end of a name tells it apart: where there is room, sentences are folded instead
        table.add_column(names[key], overflow="fold", no_wrap=room < 0.6 * width)
    for name in columns:
        figures = name in ("best", METRIC, "time")
        table.add_column(
            name, overflow="fold", no_wrap=figures or name == "state", justify="right" if figures else "left"
        )
    for place, one in enumerate(standings):
        words = [Text(one.words.get(key, "-")) for key in keys]
        cells = [
            Text(cells[place], style=STYLES.get(one.state, "") if name == "state" else "")
            for name, cells in columns.items()
        ]
        table.add_row(*words, *cells)
    return table


def _columns(standings: Sequence[JobStatus], width: int) -> dict[str, list[str]]:
    """What is said of each job, by column; a column that would be empty is left out."""
    found = {"state": [one.state for one in standings]}
    said, best, result = ([tell(one) for one in standings] for tell in (_said, _best, _result))
    if width >= WIDE:
        found |= {"how it goes": said, "best so far": best, METRIC: result}
        found |= {"time": [_time(one) for one in standings], "where": [_where(one) for one in standings]}
    else:
        found["how it goes"] = [", ".join(filter(None, words)) for words in zip(said, best, result, strict=True)]
        found["time"] = [_time(one) for one in standings]
    return {name: cells for name, cells in found.items() if any(cells)}


def _said(one: JobStatus) -> str:
    """What is to be said of a state: how far the training is or was, and what comes next."""
    if one.state in ("finished", "failed"):
        return ""
    said = _epoch(one)
    if one.state == "running":
        return ", ".join(filter(None, [said or "preparing", _silence(one) if one.note == SILENT else ""]))
    ends = {"preempted": "goes on by itself"}
    return ", ".join(filter(None, [one.note if one.state not in BAD else "", said, ends.get(one.state)]))


def _reason(one: JobStatus, keys: Sequence[str], whole: bool) -> Text:
    """Why a job did not end well, below the table: a sentence is longer than a column is wide."""
    error = (one.error or "").strip()
    if error:
        last = error.splitlines()[-1].strip()
    else:
        last = "no error was recorded"
    if whole and error:
        failed = error
    elif len(last) <= CUT:
        failed = last
    else:
        failed = last[: CUT - 3] + "..."
    if one.state == "failed":
        why = failed
    else:
        why = ", ".join(filter(None, [one.note, _silence(one)]))
    return Text.assemble((f"{one.state}: {name_of(one, keys)}: ", STYLES[one.state]), why)


def _epoch(one: JobStatus) -> str:
    """Stage and epoch, such as "finetune (2/2) epoch 3/10"."""
    progress = one.progress
    if not progress or "epoch" not in progress:
        return ""
    if progress.get("stages", 1) > 1:
        stages = f" ({progress['stage']}/{progress['stages']})"
    else:
        stages = ""
    if progress.get("over") and progress.get("stage") == progress.get("stages") and one.state == "running":
        return "predicting"
    return f"{progress.get('stage_name', '')}{stages} epoch {progress['epoch']}/{progress['epochs']}".strip()


def _silence(one: JobStatus) -> str:
    if one.seen is None:
        return "no sign of life"
    at = datetime.fromtimestamp(one.seen)
    quiet = time.time() - one.seen
    if quiet < 20 * 3600:
        clock = f"{at:%H:%M}"
    else:
        clock = f"{at:%Y-%m-%d %H:%M}"
    host = one.record.get("host") or one.progress.get("host")
    return f"no sign of life since {clock} ({duration(quiet)})" + (f" on {host}" if host else "")


def _best(one: JobStatus) -> str:
    best = one.progress.get("best")
    if best is None or one.state == "finished":
        return ""
    return f"{one.progress.get('monitor') or 'best'} {best:.3f}"


def _result(one: JobStatus) -> str:
    value, low, high = (one.metric.get(part) for part in ("value", "low", "high"))
    if value is None:
        return ""
    return f"{value:.3f}" + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def _time(one: JobStatus) -> str:
    if one.state == "running":
        if one.seconds_left is None:
            return ""
        return f"< {duration(one.seconds_left)} left"
    if one.seconds is None or one.state == "waiting":
        return ""
    return duration(one.seconds)


def _where(one: JobStatus) -> str:
    host = one.record.get("host") or one.progress.get("host")
    job = one.record.get("slurm_job")
    tries = one.record.get("attempts", 1)
    return " ".join(filter(None, [host, job and f"job {job}", f"try {tries}" if tries > 1 else None]))


def _left_of_all(standings: Sequence[JobStatus]) -> str:
    left = time_left(standings)
    running = sum(one.state == "running" for one in standings)
    if left == 0.0:
        bad = sum(one.state in BAD for one in standings)
        if not bad:
            return "all is done"
        return f"nothing is left to run; {bad} did not end well"
    if left is None:
        if running:
            return "time left unknown"
        return "nothing runs at the moment"
    return f"about {duration(left)} left at most, {running} at a time"


def duration(seconds: float) -> str:
    """Say seconds as a person would: "40 s", "12 min", "3 h 05 min", "2 d 4 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest:02d} min"
    return f"{hours // 24} d {hours % 24} h"
