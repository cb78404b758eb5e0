"""From runs to the rows of a table: which belong together, what they say together, and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.files import read_whole_json, sha256_of_value
from common.predictions import Predictions, read_predictions
from common.runs.usage import CPU, read_usage
from evaluation.intervals.seeds import OF_ALL, OF_TWO, collect
from workflows.sweeps.status import ADDRESS, BAD, JobStatus, short_names

GIB = 2**30
SEPARATOR = "; "  # between the remarks of a row
UNNAMED = "custom"  # what conf/train.yaml calls a run that no experiment names
SEED_AND_FOLD = ("seed", "fold", "split.fold")
# how many trained together, and whether BatchNorm did
PROCESSES = "processes"
SYNCHRONISED = "sync_batchnorm"
TOLD = 3  # keys in which configurations differ that a label names; beyond, it has the configuration's hash
MEASURED = ("images_seen", "wall_seconds", "total_hours", "device", "gpu_hours", "cpu_hours")
PEAKS = {"peak_memory_gib": "peak_memory_bytes", "peak_device_memory_gib": "peak_device_memory_bytes"}


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
        standing: How it stands.
        predictions: What it predicted.
        identity: What identity.json says; {} without.
        revisions: Of the code that it was made with.
        usage: What it has cost; None where that was not measured.
    """

    standing: JobStatus
    predictions: Predictions
    identity: Mapping[str, Any]
    revisions: tuple[str, ...]
    usage: Mapping[str, Any] | None

    @property
    def place(self) -> tuple[int | None, int | None]:
        """Its fold and its seed."""
        return self.predictions.about.get("fold"), self.predictions.about.get("seed")


@dataclass(eq=False)
class Row:
    """What becomes a row: the runs of one experiment, protocol and configuration.

    Attributes:
        key: What they share; see ``_key``.
        words: The same as words, without seed and fold.
        runs: Those that are finished.
        unfinished: Those that are not.
        label: Unlike every other row's.
        alike: How many rows share its experiment and protocol.
    """

    key: tuple
    words: Mapping[str, str]
    runs: list[Run] = field(default_factory=list)
    unfinished: list[JobStatus] = field(default_factory=list)
    label: str = ""
    alike: int = 1


def read_runs(standings: Sequence[JobStatus]) -> tuple[list[Run], list[JobStatus]]:
    """Return the finished runs, and what is not: failed, lost, waiting, or without predictions.

    Raises:
        UserError: Predictions cannot be read, or one run is there twice.
    """
    runs = []
    others = []
    for one in standings:
        if one.state == "finished" and one.run and (one.run / "predictions.parquet").is_file():
            runs.append(_run(one, one.run))
        else:
            others.append(one)
    return runs, others


def rows_of(runs: Sequence[Run], unfinished: Sequence[JobStatus]) -> list[Row]:
    """Gather what differs in fold and seed alone; what is not finished goes where its words or its address belong.

    Raises:
        UserError: Two runs are of the same fold and seed.
    """
    rows: dict[tuple, Row] = {}
    by_words: dict[tuple, tuple] = {}
    for run in runs:
        key = _key(run.predictions.about, run.identity)
        words = _words(run.standing)
        row = rows.setdefault(key, Row(key, words))
        twin = next((other for other in row.runs if other.place == run.place), None)
        if twin:
            raise UserError(
                f"{twin.standing.run} and {run.standing.run} are of the same fold and seed: name one of them"
            )
        row.runs.append(run)
        by_words[tuple(words.items())] = key
    for one in unfinished:
        words = _words(one)
        key = by_words.setdefault(tuple(words.items()), _key_of_unfinished(one, rows) or ("words", *words.items()))
        rows.setdefault(key, Row(key, words)).unfinished.append(one)
    found = list(rows.values())
    _label(found)
    return found


def summarised(row: Row, settings: EvaluationConfig) -> dict[str, Any]:
    """Return the cells of one row.

    ``images_seen`` and ``wall_seconds`` are of the training of all its runs together; ``total_hours`` their whole wall
    time, preparation and prediction included; ``gpu_hours`` that time times the devices, of GPUs; ``cpu_hours`` the
    processor time of all cores. What is not known of every run is empty.
    """
    abouts = [run.predictions.about for run in row.runs]
    failed = sum(one.state in BAD for one in row.unfinished)
    shared = {
        "label": row.label,
        "experiment": _name(row),
        "source": _source(row),
        "protocol": _protocol(row),
        "folds": _several(about.get("fold") for about in abouts),
        "seeds": _several(about.get("seed") for about in abouts),
        "runs": len(row.runs),
        "failed": failed,
        "missing": len(row.unfinished) - failed,
    }
    if row.runs:
        found = collect([run.predictions for run in row.runs], settings)
        shared |= {"images": found.images, "subjects": found.subjects}
        for name, mean in found.metrics.items():
            shared |= mean.columns(name)
    revisions = dict.fromkeys(one for run in row.runs for one in run.revisions)
    return shared | costs(row.runs) | {"revision": " ".join(revisions), "remarks": SEPARATOR.join(remarks(row))}


def costs(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what runs have cost together; see ``summarised``."""
    abouts = [run.predictions.about for run in runs]
    used = [run.usage for run in runs]
    trained = {name: _sum([about.get(name) for about in abouts]) for name in ("images_seen", "wall_seconds")}
    trained["wall_seconds"] = None if trained["wall_seconds"] is None else round(trained["wall_seconds"])
    if not runs or None in used:
        return trained | dict.fromkeys([*MEASURED[2:], *PEAKS])
    devices = pd.DataFrame([one["by_device"] for one in used]).sum()
    hours = {
        "total_hours": sum(one["wall_seconds"] for one in used) / 3600,
        "device": " + ".join(devices.index),
        "gpu_hours": float(devices.drop(CPU, errors="ignore").sum()) / 3600,
        "cpu_hours": sum(one["cpu_seconds"] for one in used) / 3600,
    }
    peaks = {name: [one[key] for one in used if one.get(key) is not None] for name, key in PEAKS.items()}
    return trained | hours | {name: max(values) / GIB if values else None for name, values in peaks.items()}


def remarks(row: Row) -> list[str]:
    """Say what a reader of the row must know: what is mixed, what is missing, what was not measured."""
    said = []
    if row.unfinished:
        names = {"finished": "finished without predictions"}
        states = pd.Series([names.get(one.state, one.state) for one in row.unfinished]).value_counts(sort=False)
        said.append(", ".join(f"{count} {state}" for state, count in states.items()) + ", not in the means")
    if not row.runs:
        return said
    if row.alike > 1:
        said.append(f"one of {row.alike} configurations of this experiment")
    revisions = list(dict.fromkeys(one for run in row.runs for one in run.revisions))
    if len(revisions) > 1:
        said.append(f"made with revisions {', '.join(revisions)}")
    said += _gaps([run.place for run in row.runs])
    used = [run.usage for run in row.runs]
    if None in used:
        known = len(used) - used.count(None)
        said.append(f"cost measured of {known} of {len(used)} runs" if known else "cost not measured")
    return said


def row_of_run(one: JobStatus, label: str) -> dict[str, Any]:
    """Return the cells of a row per run: its own metrics with their intervals, as it judged itself."""
    about = {name: one.words.get(name) for name in ("experiment", "protocol", "fold", "seed")}
    about["fold"] = about["fold"] or one.words.get("split.fold")
    row: dict[str, Any] = {"label": label, **about, "state": one.state}
    cells: dict[str, Any] = dict.fromkeys([*MEASURED, *PEAKS])
    judged: dict[str, Any] = {}
    if one.state == "finished" and one.run:
        run = _run(one, one.run)
        facts = run.predictions.about
        row |= {"experiment": facts.get("name"), "protocol": facts.get("protocol")}
        row |= {"fold": facts.get("fold"), "seed": facts.get("seed")}
        judged = read_whole_json(one.run / "metrics.json").get("test") or {}
        cells = costs([run])
        cells["revision"] = " ".join(run.revisions)
    row |= {name: judged.get(name) for name in ("images", "subjects")}
    for name in OF_ALL + OF_TWO:
        metric = (judged.get("metrics") or {}).get(name) or {}
        row |= {name: metric.get("value"), f"{name}_low": metric.get("low"), f"{name}_high": metric.get("high")}
    return row | cells | {"error": one.error or one.note, "run": None if one.run is None else str(one.run)}


def _run(one: JobStatus, folder: Path) -> Run:
    predictions = read_predictions(folder)
    known = read_whole_json(folder / "environment.json").get("revisions")
    revisions = tuple(known or filter(None, [predictions.about.get("revision")]))
    return Run(one, predictions, read_whole_json(folder / "identity.json"), revisions, read_usage(folder))


def _key(about: Mapping[str, Any], identity: Mapping[str, Any]) -> tuple:
    """What runs of one row share: experiment, data, protocol, configuration, and the processes that trained."""
    facts = tuple(str(about.get(name)) for name in ("name", "source", "synthetic", "protocol", "config", "folds"))
    content = (identity.get("contents") or {}).get("data")
    return (*facts, content, repr(identity.get("processes")))


def _key_of_unfinished(one: JobStatus, rows: Mapping[tuple, Row]) -> tuple | None:
    """The row whose configuration an unfinished run shares, by what it wrote before it ended."""
    if one.run:
        identity = read_whole_json(one.run / "identity.json")
    else:
        identity = {}
    if not identity:
        return None
    config = sha256_of_value([identity["config"], identity["contents"]["weights"]])[:8]
    words = {**one.words, **_words_of_folder(one)}
    for key in rows:
        same = (key[0], key[3], key[4]) == (words.get("experiment"), words.get("protocol"), config)
        if same and key[-2:] == (identity["contents"].get("data"), repr(identity.get("processes"))):
            return key
    return None


def _words_of_folder(one: JobStatus) -> dict[str, str]:
    """Experiment and protocol, as the address of a run says them."""
    if one.run is None or len(one.run.parts) < 3:
        return {}
    return {"experiment": one.run.parts[-3], "protocol": one.run.parts[-2].partition("-")[0]}


def _words(one: JobStatus) -> dict[str, str]:
    return {name: one.words[name] for name in sorted(one.words) if name not in (*SEED_AND_FOLD, ADDRESS)}


def _label(rows: Sequence[Row]) -> None:
    """Name each row by its experiment; where several share the name, by protocol, data and what else differs."""
    places = [(_name(row), _protocol(row), _source(row)) for row in rows]
    # Nobody knows the data of what has not run, nor its protocol where that was not typed.
    said = [own if row.runs else tuple(filter(None, own)) for row, own in zip(rows, places, strict=True)]
    for row, own in zip(rows, places, strict=True):
        row.label = own[0]
        if not row.runs:
            row.label += _own_words(row, rows)
            continue
        for number, what in ((1, "protocol"), (2, "data")):
            same = [place[number] for place in said if place[:number] == own[:number] and len(place) > number]
            if len(set(same)) > 1:
                row.label += f", {own[number] or f'{what} unsaid'}"
        alike = [other for other, place in zip(rows, places, strict=True) if place == own]
        row.alike = len(alike)
        row.label += _difference(row, alike) if len(alike) > 1 else ""
    taken: list[str] = []
    for row in rows:
        taken.append(row.label)
        row.label += f" ({taken.count(row.label)})" if taken.count(row.label) > 1 else ""


def _protocol(row: Row) -> str | None:
    if row.runs:
        return row.runs[0].predictions.about.get("protocol")
    return row.words.get("protocol")


def _source(row: Row) -> str | None:
    if not row.runs:
        return None
    about = row.runs[0].predictions.about
    source = about.get("source")
    if about.get("synthetic") and source != "synthetic":
        return f"{source} (synthetic)"
    return source


def _name(row: Row) -> str:
    if row.runs:
        name = row.runs[0].predictions.about.get("name")
    else:
        name = None
    return str(name or row.words.get("name") or row.words.get("experiment") or UNNAMED)


def _difference(row: Row, alike: Sequence[Row]) -> str:
    """What tells a row from others of its experiment and protocol."""
    facts = [_facts(other) for other in alike if other.runs]
    keys = sorted({key for one in facts for key in one if len({repr(other.get(key)) for other in facts}) > 1})
    own = _facts(row)
    if 0 < len(keys) <= TOLD:
        return "".join(_told(key, own.get(key, "-")) for key in keys)
    return f", configuration {row.runs[0].predictions.about.get('config')}"


def _own_words(row: Row, rows: Sequence[Row]) -> str:
    """What tells a row of which no run has ended from others of its experiment, by what was typed for it."""
    others = [other.words for other in rows if _name(other) == _name(row)]
    keys = [key for key in row.words if len({words.get(key) for words in others}) > 1]
    names = short_names(keys)
    return "".join(f", {'' if key == 'protocol' else names[key] + ' '}{row.words[key]}" for key in keys)


def _told(key: str, value: Any) -> str:
    """A fact in words; of processes nothing where it is what is usual."""
    if key == PROCESSES:
        if value != 1:
            return f", {value} processes"
        return ""
    if key == SYNCHRONISED:
        if value:
            return f", {key}"
        return ""
    return f", {key} {value}"


def _facts(row: Row) -> dict[str, Any]:
    """What makes a row what it is, by dotted keys."""
    if row.runs:
        identity = row.runs[0].identity
    else:
        identity = {}
    world = identity.get("processes") or {}
    together = {PROCESSES: world.get("count", 1), SYNCHRONISED: world.get("sync_batchnorm", False)}
    contents = {f"content of {name}": str(one)[:8] for name, one in (identity.get("contents") or {}).items()}
    contents.pop("content of init_from", None)  # another for each fold
    return {**together, **_flat(identity.get("config") or {}), **contents}


def _flat(values: Any, above: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {above: values}
    return {k: v for key, value in values.items() for k, v in _flat(value, f"{above}.{key}" if above else key).items()}


def _gaps(places: Sequence[tuple[int | None, int | None]]) -> list[str]:
    """Say which folds a seed lacks that another one has: the mean then weighs the others more."""
    folds, seeds = ({place[which] for place in places} for which in (0, 1))
    lacking = {seed: sorted(fold for fold in folds if (fold, seed) not in places) for seed in sorted(seeds, key=str)}
    told = [f"seed {seed} lacks fold {', '.join(map(str, lost))}" for seed, lost in lacking.items() if lost]
    if told:
        return [" and ".join(told) + ", the mean is over the runs that are there"]
    return []


def _several(values: Any) -> str:
    known = sorted({value for value in values if value is not None}, key=lambda one: (str(type(one)), one))
    return " ".join(map(str, known))


def _sum(values: Sequence[float | None]) -> float | None:
    if not values or None in values:
        return None
    return sum(values)
