"""The output of a search: a table of its trials, a picture per searched key, and how to train the best."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.table import Table
from rich.text import Text

from common.cli import console, say, warn
from common.errors import UserError
from common.files import write_csv, write_text
from evaluation.core.plots import COLOURS, NAMES, canvas
from workflows.sweeps.tuning.settings import SearchConfig, Value
from workflows.sweeps.tuning.study import end_of, repeated

STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
STYLES = {"failed": "red", "pruned": "dim", "waiting": "dim"}
MARK_SIZE = 64  # square points
FAILED_HEIGHT = 0.985  # of the marks of failed trials, share of the panel's height
FEW = 10  # different values that are set side by side, evenly
LABELS = {**NAMES, "batch_size": "batch size", "loss": "loss", "max_epochs": "epochs"}
_ABSENT = object()


@dataclass(frozen=True)
class SearchReport:
    """Writes the tables and pictures of a search into the study's folder.

    Attributes:
        monitor: The metric, such as "val/auc".
        mode: Whether its least ("min") or largest ("max") value is best.
        facts: For the titles, see ``evaluation.core.formats.heading``.
        typed: The overrides that the user typed.
        composed: Their composition by Hydra, without the search.
    """

    folder: Path
    search: SearchConfig
    monitor: str
    mode: str
    facts: Mapping[str, Any]
    typed: Sequence[str]
    composed: DictConfig

    def write_table(self, trials: Sequence[FrozenTrial]) -> pd.DataFrame:
        """Write trials.csv and return it: a row per trial; what is unknown is missing.

        Trials whose process died, and that were tried again, have the state "repeated".
        """
        rows = []
        lost = repeated(list(trials))
        for trial in trials:
            ended = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
            row = {**trial.params, **trial.user_attrs, "number": trial.number}
            row["state"] = "repeated" if trial.number in lost else STATES[trial.state]
            row[self.monitor] = trial.value if ended else None
            row["message"] = end_of(trial)
            row["seconds"] = trial.duration.total_seconds() if trial.duration else None
            rows.append(row)
        columns = ["number", "state", self.monitor, *self.search.space, "val_loss", "val_acc", "seconds"]
        # A searched value stays what it is: pandas would make 16 a 16.0 where another trial has none yet.
        table = pd.DataFrame(rows, columns=[*columns, "run", "message"], dtype=object)
        table = table.astype(dict.fromkeys([self.monitor, "val_loss", "val_acc", "seconds"], float))
        write_csv(self.folder / "trials.csv", table)
        return table

    def write(self, trials: Sequence[FrozenTrial], show: bool = False) -> None:
        """Write the table, a picture per searched key, and best.yaml; with ``show`` print the table and the best.

        With ``show`` a ``UserError`` says that no trial ended well.
        """
        table = self.write_table(trials)
        facts = {**self.facts, "name": f"{self.facts['name']}, search ({self.search.sampler})"}
        for key, dimension in self.search.space.items():
            scatter(self.folder / f"loss_by_{key}.png", table, key, dimension.log, self.monitor, facts)
        if show:
            self._print(table)
        finished = table[table["state"] == "finished"]
        if not finished.empty:
            values = finished[self.monitor]
            best = values.idxmin() if self.mode == "min" else values.idxmax()
            self._write_best(finished.loc[best], show)
        elif show and "running" not in set(table["state"]):
            warn(f"results in {self.folder}")
            messages = table["message"].dropna()
            last = f": {messages.iloc[-1]}" if len(messages) else ""
            raise UserError(f"none of {len(table)} trials ended well, see {self.folder / 'trials.csv'}; the last{last}")

    def _write_best(self, best: pd.Series, show: bool) -> None:
        overrides = [override(key, best[key], self.composed) for key in self.search.space]
        own = []
        for word in self.typed:  # without those of the search, of where it ran, and those that the search sets
            key = word.lstrip("+~").split("=")[0]
            if key.split(".")[0] not in ("search", "cluster", "hydra") and key not in self.search.space:
                own.append(word)
        command = shlex.join(["python", "train.py", *own, *overrides])
        facts = {
            "trial": int(best["number"]),
            "monitor": self.monitor,
            "value": float(best[self.monitor]),
            "run": best["run"],
            "overrides": overrides,
            "command": command,
        }
        write_text(self.folder / "best.yaml", yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=1000))
        if show:
            say(f"best: trial {facts['trial']}, {self.monitor} {facts['value']:.4f}", str(best["run"]))
            say("command that trains it", command)
            say(f"results in {self.folder}")

    def _print(self, table: pd.DataFrame) -> None:
        """Print the trials, 80 characters take two keys, and each reason of a failure with its trials."""
        metrics = {self.monitor: self.monitor, "val/loss": "val_loss", "val/acc": "val_acc"}
        keys = list(self.search.space)
        shown = Table("trial", "state", box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in (*metrics, *(key.split(".")[-1] for key in keys), "min"):
            shown.add_column(heading, justify="right")
        for row in table.to_dict("records"):
            cells = [_number(row[column], ".4f" if row[column] < 100 else ".3g") for column in metrics.values()]
            cells += [_number(row[key], ".3g") for key in keys]
            cells += [_number(row["seconds"] / 60, ".1f")]
            shown.add_row(str(row["number"]), row["state"], *map(Text, cells), style=STYLES.get(row["state"]))
        console.print(shown)
        failed = table[table["state"] == "failed"]
        for message, numbers in failed.groupby("message", sort=False, dropna=False)["number"]:
            console.print(Text(f"! failed: {', '.join(map(str, numbers))}: {message}", "red"))


def override(key: str, value: Value, composed: DictConfig | None = None) -> str:
    """Return a value as one types it: ``key=value``, or ``+key=value`` where ``composed`` has no such key yet."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][\w./-]*", value):
        text = '"' + value.replace('"', '\\"') + '"'
    is_new = composed is not None and OmegaConf.select(composed, key, default=_ABSENT) is _ABSENT
    return f"{'+' if is_new else ''}{key}={text}"


def scatter(path: Path, trials: pd.DataFrame, key: str, log: bool, monitor: str, facts: Mapping[str, Any]) -> None:
    """Draw the validation loss of each trial over the value of one key (paper 001, figures 3.3 and 3.4).

    Finished trials are filled and pruned ones hollow, both at their best epoch and coloured by the validation accuracy;
    failed ones, which have no loss, are crosses at the top edge. A ring marks the best trial.

    ``trials`` are those of ``SearchReport.write_table``; ``log`` says whether the values were drawn on a logarithmic
    scale. Of a ``monitor`` that is a loss the lowest is best, of anything else the highest.
    """
    drawn = trials[trials["state"].isin(["finished", "pruned", "failed"]) & trials[key].notna()]
    names = sorted(drawn[key].unique(), key=lambda value: (isinstance(value, str), value))
    few = not log and (len(names) <= FEW or isinstance(names[0], str))
    places = drawn[key].map(names.index) if few else drawn[key]
    drawn = drawn.assign(place=places.astype(float))
    failed = drawn[drawn["state"] == "failed"]
    measured = drawn[(drawn["state"] != "failed") & drawn["val_loss"].notna()]
    with canvas(path, (7.4, 5.2), dict(facts)) as figure:
        axis = figure.subplots()
        axis.set(xlabel=f"{_label(key)} ({key})", ylabel="validation loss at the best epoch")
        if log:
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter("{x:g}")
        elif few:
            axis.set_xticks(range(len(names)), [f"{name}" for name in names])
        if len(measured):
            _draw_losses(axis, measured, monitor)
        if len(failed):
            style: dict[str, Any] = {"marker": "x", "clip_on": False, "zorder": 4, "linewidths": 2}
            style |= {"transform": axis.get_xaxis_transform(), "label": f"failed ({len(failed)})"}
            axis.scatter(failed["place"], np.full(len(failed), FAILED_HEIGHT), MARK_SIZE, COLOURS[1], **style)
        if len(drawn):
            figure.legend(loc="outside lower center", ncols=4)


def _draw_losses(axis: Axes, trials: pd.DataFrame, monitor: str) -> None:
    """Draw finished and pruned trials, and the ring of the best one."""
    losses = trials["val_loss"].astype(float)
    accuracy = trials["val_acc"].astype(float)
    scale = ScalarMappable(Normalize(accuracy.min(), accuracy.max()), "viridis")
    colours = scale.to_rgba(accuracy)
    finished = (trials["state"] == "finished").to_numpy()
    for state, rows in (("finished", finished), ("pruned", ~finished)):
        if rows.any():
            faces = colours[rows] if state == "finished" else "none"
            style: dict[str, Any] = {"facecolors": faces, "edgecolors": colours[rows], "linewidths": 1.8, "zorder": 3}
            label = f"{state} ({rows.sum()})"
            axis.scatter(trials["place"][rows], losses[rows], MARK_SIZE, label=label, **style)
    if finished.any():
        values = trials.loc[finished, monitor].astype(float)
        best = trials.loc[values.idxmin() if monitor.endswith("loss") else values.idxmax()]
        style = {"facecolors": "none", "edgecolors": "black", "linewidths": 1.6, "zorder": 5}
        style["label"] = f"best by validation {_label(monitor.split('/')[-1])}"
        axis.scatter(best["place"], best["val_loss"], 4 * MARK_SIZE, **style)
    if losses.max() > 5 * losses.min() > 0:  # one bad trial's loss would flatten all others
        axis.set_yscale("log")
    axis.margins(y=0.12)
    axis.figure.colorbar(scale, ax=axis, pad=0.02).set_label("validation accuracy")


def _label(key: str) -> str:
    last = key.split(".")[-1]
    return LABELS.get(last, last.replace("_", " "))


def _number(value: Any, digits: str) -> str:
    if pd.isna(value):
        return ""
    return format(value, digits) if isinstance(value, float) else str(value)
