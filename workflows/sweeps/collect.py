"""Runs collected into the rows of a table: means over folds and seeds, costs, and what is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.files import read_whole_json, write_csv
from common.runs.address import config_fact
from common.runs.files import RunFile
from common.runs.run import Run
from common.runs.usage import CPU
from evaluation.departures import departures
from evaluation.intervals.seeds import OF_ALL, OF_TWO, collect
from evaluation.results_csv import SEPARATOR
from workflows.sweeps.status import ADDRESS, JobStatus, short_names, varying_keys
from workflows.sweeps.status_table import distinguishing_keys, job_name

GIB = 2**30
UNNAMED = "custom"  # what conf/train.yaml calls a run that no experiment names
SELF_EXPLANATORY = ("protocol", "processes", "sync_batchnorm")  # facts whose values need no name
SEED_AND_FOLD = ("seed", "fold", "split.fold")
DIFFERENCES = 3  # keys in which configurations differ that a label names; beyond, it has the configuration's hash
SHARED_FACTS = ("name", "protocol", "config", "source", "synthetic", "folds")  # by the runs of a row
COSTS = ("images_seen", "wall_seconds", "total_hours", "device", "gpu_hours", "cpu_hours")
PEAKS = {"peak_memory_gib": "peak_memory_bytes", "peak_device_memory_gib": "peak_device_memory_bytes"}
Key = tuple[Any, ...]  # what the runs of a row share


@dataclass(eq=False)
class Row:
    """A row of the table: the runs of one experiment, protocol and configuration, finished ones by fold and seed."""

    overrides: Mapping[str, str]
    by_place: dict[tuple[int | None, int | None], Run] = field(default_factory=dict)
    unfinished: list[JobStatus] = field(default_factory=list)
    label: str = ""
    similar: int = 1

    @property
    def runs(self) -> list[Run]:
        """The finished runs."""
        return list(self.by_place.values())

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts of the finished runs; those that were typed without any."""
        if self.runs:
            return self.runs[0].predictions.about
        name = self.overrides.get("name") or self.overrides.get("experiment")
        return {"name": name, "protocol": self.overrides.get("protocol")}

    @property
    def name(self) -> str:
        """The experiment."""
        return str(self.facts.get("name") or UNNAMED)

    @property
    def source(self) -> str | None:
        """The data source; None where nothing has run."""
        source = self.facts.get("source")
        if self.facts.get("synthetic") and source != "synthetic":
            return f"{source} (synthetic)"
        return source

    @property
    def places(self) -> pd.DataFrame:
        """Columns fold and seed: a row per finished run."""
        return pd.DataFrame(list(self.by_place), columns=["fold", "seed"], dtype=object)

    @property
    def revisions(self) -> list[str]:
        """Of the code, each once."""
        return list(dict.fromkeys(revision for run in self.runs for revision in _revisions(run)))


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


def write_collected(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV; a table that is there is replaced only where its experiments are among the new ones.

    Raises:
        UserError: Something else is there, such as a table of other runs.
    """
    frame = pd.DataFrame(rows).convert_dtypes()
    if "remarks" in frame:
        frame["remarks"] = frame["remarks"].map(SEPARATOR.join)
    if path.exists():
        _check_replaced(path, frame)
    write_csv(path, frame, "%.6f")


def _check_replaced(path: Path, frame: pd.DataFrame) -> None:
    try:
        old = pd.read_csv(path, dtype=str)
    except (OSError, ValueError):
        old = pd.DataFrame()
    if list(old.columns)[:6] != list(frame.columns)[:6]:
        raise UserError(f"{path} is there already and no table of collected runs: name another file with --csv")
    new = _experiments(frame)
    names = {name for name, _ in new}
    # What has not run yet has no source.
    lost = [name for name, source in _experiments(old) if (name, source) not in new and (source or name not in names)]
    if lost:
        raise UserError(f"{path} is a table of other runs ({lost[0]}): name another file with --csv, or remove it")


def _experiments(table: pd.DataFrame) -> list[tuple[str, str]]:
    columns = table[["experiment", "source"]].astype(object).fillna("")
    return [(str(name), str(source)) for name, source in columns.itertuples(index=False)]


def group_runs(statuses: Sequence[JobStatus]) -> list[Row]:
    """Group runs that differ in fold and seed alone; unfinished ones go where their overrides or address belong."""
    rows: dict[Key, Row] = {}
    by_overrides: dict[Key, Key] = {}
    unfinished = []
    for status in statuses:
        run = status.run
        if status.state != "finished" or run is None or not run.has(RunFile.PREDICTIONS):
            unfinished.append(status)
            continue
        about = run.predictions.about
        key = (*(str(about.get(name)) for name in SHARED_FACTS), *_data_and_processes(run))
        overrides = _shared_overrides(status)
        row = rows.setdefault(key, Row(overrides))
        place = (about.get("fold"), about.get("seed"))
        if place in row.by_place:
            folders = f"{row.by_place[place].folder} and {run.folder}"
            raise UserError(f"{folders} are of the same fold and seed: name one of them")
        row.by_place[place] = run
        by_overrides[tuple(overrides.items())] = key
    by_identity: dict[Key, Key] = {}
    for key in rows:
        by_identity.setdefault((*key[:3], *key[-2:]), key)
    for status in unfinished:
        overrides = _shared_overrides(status)
        typed = tuple(overrides.items())
        if typed not in by_overrides:
            by_overrides[typed] = by_identity.get(_identity_key(status), typed)
        rows.setdefault(by_overrides[typed], Row(overrides)).unfinished.append(status)
    _label_rows(list(rows.values()))
    return list(rows.values())


def run_costs(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what runs have cost together; see ``collect_rows``."""
    costs: dict[str, Any] = dict.fromkeys([*COSTS, *PEAKS])
    for name in ("images_seen", "wall_seconds"):
        of_each: list[Any] = [run.predictions.about.get(name) for run in runs]
        if runs and None not in of_each:
            costs[name] = round(sum(of_each))
    usages = [run.usage for run in runs if run.usage]
    if not runs or len(usages) < len(runs):
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
        "protocol": row.facts.get("protocol"),
        "folds": " ".join(map(str, sorted(row.places["fold"].dropna().unique()))),
        "seeds": " ".join(map(str, sorted(row.places["seed"].dropna().unique()))),
        "runs": len(row.runs),
        "failed": failed,
        "missing": len(row.unfinished) - failed,
    }
    if row.runs:
        collected = collect([run.predictions for run in row.runs], settings)
        cells |= {"images": collected.images, "subjects": collected.subjects}
        for name, mean in collected.metrics.items():
            cells |= mean.columns(name)
    cells |= run_costs(row.runs) | {"revision": " ".join(row.revisions)}
    return cells | {"departures": SEPARATOR.join(departures(row.runs)), "remarks": _remarks(row)}


def _run_cells(status: JobStatus, label: str) -> dict[str, Any]:
    typed = status.overrides
    facts: Mapping[str, Any] = {"fold": typed.get("split.fold"), **typed, "name": typed.get("experiment")}
    test: dict[str, Any] = {}
    runs = []
    if status.state == "finished" and status.run:
        runs = [status.run]
        facts = status.run.predictions.about
        test = read_whole_json(status.run.path(RunFile.METRICS)).get("test") or {}
    cells: dict[str, Any] = {"label": label, "experiment": facts.get("name"), "protocol": facts.get("protocol")}
    cells |= {"fold": facts.get("fold"), "seed": facts.get("seed"), "state": status.state}
    cells["source"] = facts.get("source")
    cells |= {name: test.get(name) for name in ("images", "subjects")}
    for name in OF_ALL + OF_TWO:
        metric = (test.get("metrics") or {}).get(name) or {}
        cells |= {name: metric.get("value"), f"{name}_low": metric.get("low"), f"{name}_high": metric.get("high")}
    cells |= run_costs(runs)
    if runs:
        cells |= {"revision": " ".join(_revisions(runs[0])), "departures": SEPARATOR.join(departures(runs))}
    return cells | {"error": status.error or status.note, "run": status.folder}


def _revisions(run: Run) -> Sequence[str]:
    """Of the code that a run was made with."""
    return run.revisions or list(filter(None, [run.predictions.about.get("revision")]))


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
    folds = row.places["fold"]
    gaps = []
    for seed, own in folds.groupby(row.places["seed"], dropna=False, sort=True):
        lacking = sorted(set(folds) - set(own), key=str)
        if lacking:
            gaps.append(f"seed {seed} lacks fold {', '.join(map(str, lacking))}")
    if gaps:  # the mean then weighs the other folds more
        remarks.append(" and ".join(gaps) + ", the mean is over the runs that are there")
    unmeasured = [run.usage for run in row.runs].count(None)
    if unmeasured == len(row.runs):
        remarks.append("cost not measured")
    elif unmeasured:
        remarks.append(f"cost measured of {len(row.runs) - unmeasured} of {len(row.runs)} runs")
    return remarks


def _shared_overrides(status: JobStatus) -> dict[str, str]:
    own = (*SEED_AND_FOLD, ADDRESS)
    return {name: status.overrides[name] for name in sorted(status.overrides) if name not in own}


def _data_and_processes(run: Run) -> tuple[str, str]:
    contents = run.identity.get("contents") or {}
    return str(contents.get("data")), str(run.identity.get("processes"))


def _identity_key(status: JobStatus) -> Key:
    """Experiment, protocol, configuration, data and processes of an unfinished run, by what it wrote before it ended.

    Empty where it wrote nothing.
    """
    if status.run is None or not status.run.identity:
        return ()
    experiment, protocol = (status.overrides.get(name) for name in ("experiment", "protocol"))
    parts = status.run.folder.parts
    if len(parts) >= 3:  # the address has both
        experiment = parts[-3]
        protocol = parts[-2].partition("-")[0]
    return experiment, protocol, config_fact(status.run.identity), *_data_and_processes(status.run)


def _label_rows(rows: Sequence[Row]) -> None:
    """Name each row by its experiment; where several share the name, by protocol, data and what else differs."""
    for of_name in _grouped(rows, "name"):
        ran = [row for row in of_name if row.runs]
        facts = pd.DataFrame(
            {"protocol": [row.facts.get("protocol") for row in ran], "source": [r.source for r in ran]}
        )
        differing = facts.columns[facts.nunique(dropna=False) > 1]
        for row, text in zip(ran, facts[differing].fillna("unknown").agg(", ".join, axis=1), strict=True):
            row.label = ", ".join(filter(None, (row.name, text)))
        for of_label in _grouped(ran, "label"):
            _add_configurations(of_label)
        keys = varying_keys([row.overrides for row in of_name])  # what has not run is named by what was typed
        for row in of_name:
            if not row.runs:
                names = short_names(list(row.overrides))
                row.label = row.name + _facts_text({names[key]: row.overrides.get(key) for key in keys if key in names})
    for of_label in _grouped(rows, "label"):
        for number, row in enumerate(of_label[1:], 2):
            row.label += f" ({number})"


def _grouped(rows: Sequence[Row], attribute: str) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(getattr(row, attribute), []).append(row)
    return list(groups.values())


def _add_configurations(rows: Sequence[Row]) -> None:
    """Add to the labels of rows of one experiment, protocol and data in what their configurations differ."""
    identities = [_flat_identity(row.runs[0].identity) for row in rows]
    keys = sorted(varying_keys(identities))
    named = len(rows) == 1 or 0 < len(keys) <= DIFFERENCES
    for row, identity in zip(rows, identities, strict=True):
        row.similar = len(rows)
        text = f", configuration {row.facts['config']}"
        row.label += _facts_text({key: identity.get(key) for key in keys}) if named else text


def _facts_text(facts: Mapping[str, Any]) -> str:
    texts = [str(value) if key in SELF_EXPLANATORY else f"{key} {value}" for key, value in facts.items()]
    return "".join(f", {text}" for text in texts if text)


def _flat_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What identity.json says of a run's configuration, by dotted keys; what is usual is empty."""
    processes = identity.get("processes") or {}
    facts = {"processes": f"{processes['count']} processes" if processes else ""}
    facts["sync_batchnorm"] = "sync_batchnorm" if processes.get("sync_batchnorm") else ""
    for name, content in (identity.get("contents") or {}).items():
        if name != "init_from":  # another for each fold
            facts[f"content of {name}"] = str(content)[:8]
    if identity.get("config"):
        facts |= pd.json_normalize(identity["config"]).iloc[0].to_dict()
    return facts
