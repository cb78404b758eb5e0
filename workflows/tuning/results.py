"""What a search leaves: a table of its trials, pictures, and how to train the best."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.table import Table
from rich.text import Text

from common.cli import console, say, warn
from common.config.search import SearchConfig, Value
from common.errors import UserError
from common.files import write_csv, write_text
from workflows.tuning.plots import scatter
from workflows.tuning.study import is_lost

STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
STYLES = {"failed": "red", "pruned": "dim", "waiting": "dim"}


@dataclass(frozen=True)
class Found:
    """Where a search writes, and all that its tables and pictures say beside its trials.

    Attributes:
        folder: The study's folder.
        search: What is searched, and how.
        monitor: The metric, such as "val/auc".
        mode: Whether its least ("min") or largest ("max") value is best.
        about: Facts for the titles, see :func:`evaluation.core.headings.heading`.
        typed: The overrides that the user typed.
        composed: What Hydra composed of them, without the search.
    """

    folder: Path
    search: SearchConfig
    monitor: str
    mode: str
    about: Mapping[str, Any]
    typed: Sequence[str]
    composed: DictConfig


def trials_table(found: Found, trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Return a row per trial: number, state, metric, values, and how it went; what is not known is missing.

    Trials whose process died, and that were tried again, have the state "repeated".
    """
    rows = []
    for trial in trials:
        ended = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        facts = {name: trial.user_attrs.get(name) for name in ("val_loss", "val_acc", "run", "message")}
        rows.append(
            {
                "number": trial.number,
                "state": "repeated" if is_lost(trial) else STATES[trial.state],
                found.monitor: trial.value if ended else None,
                **{key: trial.params.get(key) for key in found.search.space},
                "val_loss": facts["val_loss"],
                "val_acc": facts["val_acc"],
                "seconds": trial.duration.total_seconds() if trial.duration else None,
                "run": facts["run"],
                "message": facts["message"],
            }
        )
    columns = ["number", "state", found.monitor, *found.search.space]
    columns += ["val_loss", "val_acc", "seconds", "run", "message"]
    numbers = {found.monitor, "val_loss", "val_acc", "seconds"}
    # A searched value stays what it is: pandas would make 16 a 16.0 where another trial has none yet.
    kinds = {column: float if column in numbers else object for column in columns}
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kinds[name]) for name in columns})


def write_trials(found: Found, trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Write and return the table of all trials so far."""
    table = trials_table(found, trials)
    write_csv(found.folder / "trials.csv", table)
    return table


def write_found(found: Found, trials: Sequence[FrozenTrial], show: bool = False) -> None:
    """Write the table, a picture per searched key, and best.yaml; with ``show`` print the table and the best.

    Raises:
        UserError: With ``show``, when no trial ended well.
    """
    table = write_trials(found, trials)
    title = f"{found.about['name']}, search ({found.search.sampler})"
    for key, dimension in found.search.space.items():
        path = found.folder / f"loss_by_{key}.png"
        scatter(path, table, key, dimension.log, found.monitor, {**found.about, "name": title})
    if show:
        console.print(_printed(found, table), *_reasons(table), sep="\n")
    finished = table[table["state"] == "finished"]
    if finished.empty:
        if show and "running" not in set(table["state"]):
            _refuse_none(found, table)
        return
    _write_best(found, finished.loc[getattr(finished[found.monitor], f"idx{found.mode}")()], show)


def _write_best(found: Found, best: pd.Series, show: bool) -> None:
    overrides = [override(key, best[key], found.composed) for key in found.search.space]
    kept = [word for word in found.typed if not _is_of_search(word, found.search)]
    command = shlex.join(["python", "train.py", *kept, *overrides])
    facts = {
        "trial": int(best["number"]),
        "monitor": found.monitor,
        "value": float(best[found.monitor]),
        "run": best["run"],
        "overrides": overrides,
        "command": command,
    }
    write_text(found.folder / "best.yaml", yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=1000))
    if show:
        say(f"best: trial {facts['trial']}, {found.monitor} {facts['value']:.4f}", str(best["run"]))
        say("what trains it", command)
        say(f"all of it: {found.folder}")


def override(key: str, value: Value, composed: DictConfig | None = None) -> str:
    """Return a value as one types it: ``key=value``, or ``+key=value`` where ``composed`` has no such key yet."""
    if isinstance(value, bool):
        text = str(value).lower()
    else:
        text = str(value)
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][\w./-]*", value):
        text = '"' + value.replace('"', '\\"') + '"'
    new = composed is not None and OmegaConf.select(composed, key, default=_ABSENT) is _ABSENT
    return f"{'+' if new else ''}{key}={text}"


_ABSENT = object()


def _is_of_search(word: str, search: SearchConfig) -> bool:
    """Whether a typed override is of the search or of where it ran, or sets a key that the search sets."""
    key = word.lstrip("+~").split("=")[0]
    return key.split(".")[0] in ("search", "cluster", "hydra") or key in search.space


def _printed(found: Found, table: pd.DataFrame) -> Table:
    """The trials for the terminal; 80 characters take two keys."""
    metrics = {found.monitor: found.monitor, "val/loss": "val_loss", "val/acc": "val_acc"}
    shown = Table("trial", "state", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in (*metrics, *(key.split(".")[-1] for key in found.search.space), "min"):
        shown.add_column(column, justify="right")
    for row in table.to_dict("records"):
        cells = [_number(row[column], ".4f" if row[column] < 100 else ".3g") for column in metrics.values()]
        cells += [_number(row[key], ".3g") for key in found.search.space]
        cells += [_number(row["seconds"] / 60, ".1f")]
        shown.add_row(str(row["number"]), row["state"], *map(Text, cells), style=STYLES.get(row["state"]))
    return shown


def _reasons(table: pd.DataFrame) -> list[Text]:
    """Why trials failed: each reason once, with the numbers of the trials."""
    failed = table[table["state"] == "failed"]
    groups = failed.groupby("message", sort=False, dropna=False)["number"]
    return [Text(f"! failed: {', '.join(map(str, numbers))}: {message}", "red") for message, numbers in groups]


def _number(value: Any, form: str) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, float):
        return format(value, form)
    return str(value)


def _refuse_none(found: Found, table: pd.DataFrame) -> None:
    warn(f"all of it: {found.folder}")
    messages = table["message"].dropna()
    if len(messages):
        last = f": {messages.iloc[-1]}"
    else:
        last = ""
    raise UserError(f"none of {len(table)} trials ended well, see {found.folder / 'trials.csv'}; the last{last}")
