"""Runs collected into the rows of a table: means over folds and seeds, costs, and what is missing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.files import read_whole_json, sha256_of_value, write_csv
from common.runs.files import RunFile
from common.runs.run import Run
from common.runs.usage import CPU
from evaluation.intervals.seeds import OF_ALL, OF_TWO, collect
from workflows.sweeps.selection import Selection
from workflows.sweeps.status import ADDRESS, JobStatus, short_names
from workflows.sweeps.status_table import distinguishing_keys, job_name

GIB = 2**30
SEPARATOR = "; "  # between the remarks of a row of the CSV
UNNAMED = "custom"  # what conf/train.yaml calls a run that no experiment names
SEED_AND_FOLD = ("seed", "fold", "split.fold")
DIFFERENCES = 3  # keys in which configurations differ that a label names; beyond, it has the configuration's hash
COSTS = ("images_seen", "wall_seconds", "total_hours", "device", "gpu_hours", "cpu_hours")
PEAKS = {"peak_memory_gib": "peak_memory_bytes", "peak_device_memory_gib": "peak_device_memory_bytes"}
Key = tuple[Any, ...]  # what the runs of a row share


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A finished run with predictions.

    Attributes:
        status: Its status.
        run: Its folder.
    """

    status: JobStatus
    run: Run

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the predictions say of their run."""
        return self.run.predictions.about

    @property
    def place(self) -> tuple[int | None, int | None]:
        """Its fold and its seed."""
        return self.facts.get("fold"), self.facts.get("seed")

    @property
    def revisions(self) -> tuple[str, ...]:
        """Of the code that it was made with."""
        return self.run.revisions or tuple(filter(None, [self.facts.get("revision")]))

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What runs of one row share: experiment, data, protocol, configuration, and the processes that trained."""
        names = ("name", "source", "synthetic", "protocol", "config", "folds")
        identity = self.run.identity
        contents = identity.get("contents") or {}
        return (
            *(str(self.facts.get(name)) for name in names),
            str(contents.get("data")),
            str(identity.get("processes")),
        )


@dataclass(eq=False)
class Row:
    """A row of the table: the runs of one experiment, protocol and configuration.

    Attributes:
        overrides: What all of its jobs share, without seed and fold.
        runs: Those that are finished.
        unfinished: Those that are not.
        label: Unlike every other row's.
        similar: The number of rows that share its experiment, protocol and data.
    """

    overrides: Mapping[str, str]
    runs: list[FinishedRun] = field(default_factory=list)
    unfinished: list[JobStatus] = field(default_factory=list)
    label: str = ""
    similar: int = 1

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts of its finished runs; {} without any."""
        return self.runs[0].facts if self.runs else {}

    @property
    def name(self) -> str:
        """The experiment."""
        return str(self.facts.get("name") or self.overrides.get("name") or self.overrides.get("experiment") or UNNAMED)

    @property
    def protocol(self) -> str | None:
        """Of its runs, or as typed."""
        return self.facts["protocol"] if self.runs else self.overrides.get("protocol")

    @property
    def source(self) -> str | None:
        """The data source; None where nothing has run."""
        source = self.facts.get("source")
        if self.facts.get("synthetic") and source != "synthetic":
            return f"{source} (synthetic)"
        return source

    @property
    def places(self) -> pd.DataFrame:
        """Columns fold and seed: a row per run."""
        return pd.DataFrame([run.place for run in self.runs], columns=["fold", "seed"], dtype=object)

    @property
    def revisions(self) -> list[str]:
        """Of the code, each once."""
        return list(dict.fromkeys(revision for run in self.runs for revision in run.revisions))


def collect_rows(statuses: Sequence[JobStatus], confidence: float) -> list[dict[str, Any]]:
    """Return the cells of a row per experiment, protocol and configuration: means over folds and seeds, and costs.

    ``images_seen`` and ``wall_seconds`` are of the training of all its runs together; ``total_hours`` their whole wall
    time, preparation and prediction included; ``gpu_hours`` that time times the devices, of GPUs; ``cpu_hours`` the
    processor time of all cores. What is not known of every run is empty. ``remarks`` is a list.

    Raises:
        UserError: Two runs are of the same fold and seed, or predictions cannot be read.
    """
    # The intervals are of logit_t, which resamples nothing: see evaluation.intervals.methods.
    settings = EvaluationConfig(confidence=confidence, resamples=10)
    return [_row_cells(row, settings) for row in group_runs(statuses)]


def run_rows(statuses: Sequence[JobStatus]) -> list[dict[str, Any]]:
    """Return the cells of a row per run: its own metrics with their intervals, as it evaluated itself."""
    keys = [key for key in distinguishing_keys(statuses) if key not in SEED_AND_FOLD]
    if not keys and statuses:
        keys = sorted({"experiment", "name"} & statuses[0].overrides.keys())[:1]
    return [_run_cells(status, job_name(status, keys) or status.key) for status in statuses]


def write_collected(path: Path, rows: Sequence[Mapping[str, Any]], overwrite: bool) -> None:
    """Write the rows as CSV.

    Args:
        path: The file.
        rows: Of :func:`collect_rows` or :func:`run_rows`.
        overwrite: Whether another table may be there; else only one of collected runs is written over.

    Raises:
        UserError: Another table is there.
    """
    frame = pd.DataFrame(rows).convert_dtypes()
    if "remarks" in frame:
        frame["remarks"] = frame["remarks"].map(SEPARATOR.join)
    if path.exists() and not overwrite:
        try:
            columns = list(pd.read_csv(path, nrows=0).columns)
        except (OSError, ValueError):
            columns = []
        if columns[:6] != list(frame.columns)[:6]:
            raise UserError(f"{path} is there already and no table of collected runs: name another file with --csv")
    write_csv(path, frame, "%.6f")


def default_table(selection: Selection, each: bool) -> Path | None:
    """Return where the table of a sweep is written by default: into the sweep's folder; None for runs."""
    if selection.folder is None:
        return None
    return selection.folder / ("runs.csv" if each else "table.csv")


def group_runs(statuses: Sequence[JobStatus]) -> list[Row]:
    """Group runs that differ in fold and seed alone; unfinished ones go where their overrides or address belong.

    Raises:
        UserError: Two runs are of the same fold and seed.
    """
    rows: dict[Key, Row] = {}
    by_overrides: dict[Key, Key] = {}
    unfinished = []
    for status in statuses:
        if status.state != "finished" or status.run is None or not status.run.has(RunFile.PREDICTIONS):
            unfinished.append(status)
            continue
        run = FinishedRun(status, status.run)
        overrides = _shared_overrides(status)
        row = rows.setdefault(run.key, Row(overrides))
        for other in row.runs:
            if other.place == run.place:
                folders = f"{other.run.folder} and {run.run.folder}"
                raise UserError(f"{folders} are of the same fold and seed: name one of them")
        row.runs.append(run)
        by_overrides[tuple(overrides.items())] = run.key
    for status in unfinished:
        overrides = _shared_overrides(status)
        typed = tuple(overrides.items())
        key = by_overrides.setdefault(typed, _key_by_identity(status, rows) or typed)
        rows.setdefault(key, Row(overrides)).unfinished.append(status)
    _label_rows(list(rows.values()))
    return list(rows.values())


def run_costs(runs: Sequence[FinishedRun]) -> dict[str, Any]:
    """Return what runs have cost together; see :func:`collect_rows`."""
    costs: dict[str, Any] = dict.fromkeys([*COSTS, *PEAKS])
    if not runs:
        return costs
    trained = pd.DataFrame([run.facts for run in runs]).reindex(columns=["images_seen", "wall_seconds"])
    for name in trained.columns[trained.notna().all()]:
        costs[name] = round(trained[name].sum())
    usages = [run.run.usage for run in runs if run.run.usage]
    if len(usages) < len(runs):
        return costs
    table = pd.DataFrame(usages)
    devices = pd.DataFrame(list(table["by_device"])).sum()
    costs["total_hours"] = float(table["wall_seconds"].sum()) / 3600
    costs["device"] = " + ".join(devices.index)
    costs["gpu_hours"] = float(devices.drop(CPU, errors="ignore").sum()) / 3600
    costs["cpu_hours"] = float(table["cpu_seconds"].sum()) / 3600
    for name, key in PEAKS.items():
        if table[key].notna().any():
            costs[name] = float(table[key].max()) / GIB
    return costs


def _row_cells(row: Row, settings: EvaluationConfig) -> dict[str, Any]:
    failed = sum(status.is_bad for status in row.unfinished)
    cells: dict[str, Any] = {
        "label": row.label,
        "experiment": row.name,
        "source": row.source,
        "protocol": row.protocol,
        "folds": " ".join(map(str, sorted(row.places["fold"].dropna().unique()))),
        "seeds": " ".join(map(str, sorted(row.places["seed"].dropna().unique()))),
        "runs": len(row.runs),
        "failed": failed,
        "missing": len(row.unfinished) - failed,
    }
    if row.runs:
        collected = collect([run.run.predictions for run in row.runs], settings)
        cells |= {"images": collected.images, "subjects": collected.subjects}
        for name, mean in collected.metrics.items():
            cells |= mean.columns(name)
    return cells | run_costs(row.runs) | {"revision": " ".join(row.revisions), "remarks": _remarks(row)}


def _run_cells(status: JobStatus, label: str) -> dict[str, Any]:
    runs = []
    facts: Mapping[str, Any] = {**status.overrides, "name": status.overrides.get("experiment")}
    facts = {"fold": status.overrides.get("split.fold"), **facts}
    test: dict[str, Any] = {}
    if status.state == "finished" and status.run:
        runs = [FinishedRun(status, status.run)]
        facts = runs[0].facts
        test = read_whole_json(status.run.path(RunFile.METRICS)).get("test") or {}
    cells: dict[str, Any] = {"label": label, "experiment": facts.get("name"), "protocol": facts.get("protocol")}
    cells |= {"fold": facts.get("fold"), "seed": facts.get("seed"), "state": status.state}
    cells |= {name: test.get(name) for name in ("images", "subjects")}
    for name in OF_ALL + OF_TWO:
        metric = (test.get("metrics") or {}).get(name) or {}
        cells |= {name: metric.get("value"), f"{name}_low": metric.get("low"), f"{name}_high": metric.get("high")}
    cells |= run_costs(runs)
    if runs:
        cells["revision"] = " ".join(runs[0].revisions)
    return cells | {"error": status.error or status.note, "run": str(status.run.folder) if status.run else None}


def _remarks(row: Row) -> list[str]:
    """What a reader of the row must know: what is mixed, what is missing, what was not measured."""
    remarks = []
    states = Counter(status.state for status in row.unfinished)
    if states:
        counts = ", ".join(f"{count} {state}" for state, count in states.items())
        counts = counts.replace("finished", "finished without predictions")
        remarks.append(f"{counts}, not in the means")
    if not row.runs:
        return remarks
    if row.similar > 1:
        remarks.append(f"one of {row.similar} configurations of this experiment")
    if len(row.revisions) > 1:
        remarks.append(f"made with revisions {', '.join(row.revisions)}")
    gaps = _missing_folds(row)
    if gaps:  # the mean then weighs the other folds more
        remarks.append(" and ".join(gaps) + ", the mean is over the runs that are there")
    unmeasured = [run.run.usage for run in row.runs].count(None)
    if unmeasured == len(row.runs):
        remarks.append("cost not measured")
    elif unmeasured:
        remarks.append(f"cost measured of {len(row.runs) - unmeasured} of {len(row.runs)} runs")
    return remarks


def _missing_folds(row: Row) -> list[str]:
    """The folds that a seed lacks and another one has, in words."""
    table = row.places
    gaps = []
    for seed, own in table.groupby("seed", dropna=False, sort=True)["fold"]:
        lacking = sorted(set(table["fold"]) - set(own), key=str)
        if lacking:
            gaps.append(f"seed {seed} lacks fold {', '.join(map(str, lacking))}")
    return gaps


def _shared_overrides(status: JobStatus) -> dict[str, str]:
    own = (*SEED_AND_FOLD, ADDRESS)
    return {name: status.overrides[name] for name in sorted(status.overrides) if name not in own}


def _key_by_identity(status: JobStatus, rows: Iterable[Key]) -> Key | None:
    """The row whose configuration an unfinished run shares, by what it wrote before it ended."""
    identity = status.run.identity if status.run else {}
    if not identity or status.run is None:
        return None
    config = sha256_of_value([identity["config"], identity["contents"]["weights"]])[:8]
    experiment, protocol = (status.overrides.get(name) for name in ("experiment", "protocol"))
    if len(status.run.folder.parts) >= 3:  # the address has both
        experiment = status.run.folder.parts[-3]
        protocol = status.run.folder.parts[-2].partition("-")[0]
    content = (str(identity["contents"].get("data")), str(identity.get("processes")))
    for key in rows:
        if (key[0], key[3], key[4]) == (experiment, protocol, config) and key[-2:] == content:
            return key
    return None


def _label_rows(rows: Sequence[Row]) -> None:
    """Name each row by its experiment; where several share the name, by protocol, data and what else differs."""
    for row in rows:
        row.label = row.name
    finished = [row for row in rows if row.runs]
    for attribute in ("protocol", "source"):
        for group in _by_label(rows):
            _label_by(attribute, group)
    for group in _by_label(finished):
        _label_differences(group)
    for row in rows:
        if not row.runs:
            row.label = row.name + _typed_differences(row, rows)
    for group in _by_label(rows):
        for number, row in enumerate(group[1:], 2):
            row.label += f" ({number})"


def _by_label(rows: Sequence[Row]) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.label, []).append(row)
    return list(groups.values())


def _label_by(attribute: str, rows: Sequence[Row]) -> None:
    """Add protocol or source to the labels of rows where they differ; where a row has not run they may be unknown."""
    values = {getattr(row, attribute) for row in rows if row.runs or getattr(row, attribute)}
    if len(values) == 1:
        return
    for row in rows:
        if row.runs:
            row.label += f", {getattr(row, attribute) or f'{attribute} unknown'}"


def _label_differences(rows: Sequence[Row]) -> None:
    """Add to the labels of rows of one experiment, protocol and data in what their runs differ."""
    if len(rows) == 1:
        return
    table = pd.DataFrame([_flat_identity(row.runs[0].run.identity) for row in rows], dtype=object)
    differing = sorted(table.columns[table.astype(str).nunique() > 1])
    for row, identity in zip(rows, table[differing].to_dict("records"), strict=True):
        row.similar = len(rows)
        if 0 < len(differing) <= DIFFERENCES:
            row.label += "".join(_difference(key, value) for key, value in identity.items())
        else:
            row.label += f", configuration {row.facts.get('config')}"


def _typed_differences(row: Row, rows: Sequence[Row]) -> str:
    """What tells a row without a finished run from others of its experiment, by what was typed for it."""
    typed = pd.DataFrame([other.overrides for other in rows if other.name == row.name], dtype=object)
    names = short_names(list(row.overrides))
    parts = []
    for key in typed.columns[typed.nunique(dropna=False) > 1]:
        if key == "protocol" and key in row.overrides:
            parts.append(f", {row.overrides[key]}")
        elif key in row.overrides:
            parts.append(f", {names[key]} {row.overrides[key]}")
    return "".join(parts)


def _difference(key: str, value: Any) -> str:
    """A fact in words; nothing where it is the usual one."""
    if (key, value) in (("processes", 1), ("sync_batchnorm", False)):
        return ""
    if key == "processes":
        return f", {value} processes"
    if key == "sync_batchnorm":
        return ", sync_batchnorm"
    return f", {key} {value}"


def _flat_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What identity.json says of a run's configuration, by dotted keys."""
    world = identity.get("processes") or {}
    facts = {"processes": world.get("count", 1), "sync_batchnorm": world.get("sync_batchnorm", False)}
    for name, content in (identity.get("contents") or {}).items():
        if name != "init_from":  # another for each fold
            facts[f"content of {name}"] = str(content)[:8]
    if identity.get("config"):
        facts |= pd.json_normalize(identity["config"]).iloc[0].to_dict()
    return facts
