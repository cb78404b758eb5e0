"""Kills commands at random moments, and gives the same command again.

``python -m benchmarks.kills DATA_DIR WORK CSV`` trains small networks on the images of DATA_DIR (the C-NMC set or a
part of it) in the folder WORK. What a command has left when it was killed, and what the same command leaves then, are
compared with what an undisturbed one leaves.
"""

import json
import os
import re
import runpy
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import torch

from benchmarks.damage import KEYS
from karyocyte.common.files import write_csv
from karyocyte.runs.run import Run
from karyocyte.workflows.review.decisions import read_decisions
from karyocyte.workflows.training import train  # imported once: the commands are forked from this process

assert train
CELLS = ["data=synthetic_chromosomes", "data.cells=3", "data.cases=3"]
# What tells of the time, the machine or the way there, and tables of jobs that another command reads.
TIMED = re.compile(r"(environment|status|stage|steps|provenance)\.json|.*\.(html|db|log|txt|lock|png|md)|hparams.yaml")
SECONDS = 600  # that a command may take


@dataclass(frozen=True)
class Command:
    """A command that writes into a folder, and how often it is killed."""

    name: str
    words: Callable[[Path], list[str]]
    kills: int
    at_once: bool = True  # what it writes appears whole: before, the folder "out" is absent


def start(words: list[str], printed: Path) -> BaseProcess:
    """Start a command in a process group of its own."""
    process = get_context("fork").Process(target=_run, args=(words, printed))
    process.start()
    return process


def _run(words: list[str], printed: Path) -> None:
    os.setsid()
    file = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")


def finish(words: list[str], printed: Path) -> int | None:
    """Run a command to its end; return its exit code."""
    process = start(words, printed)
    process.join(SECONDS)
    return process.exitcode


def kill(process: BaseProcess) -> None:
    """Kill a command with all of its processes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()


def contents(folder: Path) -> dict[str, Any]:
    """Return what is to be compared of the files that a command has left: values where the bytes tell of the time."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        place = str(path.relative_to(folder))
        if path.is_dir() or "/." in f"/{place}" or "cache/" in place:
            continue
        if path.match("seed=*/logs/*/version_*/metrics.csv"):  # one for each start of a training
            run = path.parents[3]
            found[f"{run.relative_to(folder)}/logs"] = _lasting(Run(run).history).to_csv(index=False)
        elif path.suffix == ".csv":
            found[place] = _lasting(pd.read_csv(path)).to_csv(index=False)
        elif path.suffix == ".parquet":
            found[place] = pd.read_parquet(path).to_csv()
        elif path.suffix == ".ckpt":
            state = torch.load(path, weights_only=True)["state_dict"]
            found[place] = {name: values.tolist() for name, values in state.items()}
        else:
            timed = TIMED.fullmatch(path.name) or path.name.endswith(".json")
            found[place] = None if timed else path.read_bytes()
    return found


def _lasting(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what two runs of a command have in common: no times, and no trial that was begun anew."""
    if "state" in frame:
        frame = frame[frame["state"] == "finished"].drop(columns="number")
    return frame.loc[:, ~frame.columns.str.contains("second|minutes|hours|memory|time|updated|lr_")]


def commands(work: Path, data_dir: Path) -> list[Command]:
    """Return the commands, once what they read is made."""
    first, second = map(str, _inputs(work, data_dir))
    quick = [*KEYS, f"data_dir={data_dir}"]
    own = [key for key in quick if key.split("=")[0] not in ("data", "model", "model.cut", "unfreeze", "prepare.size")]

    def places(folder: Path) -> list[str]:
        """Return the keys of the folders that a training writes to."""
        return [f"output_dir={folder}/outputs", f"cache_dir={work}/cache"]

    search = ["+search=lr_batch", "search.trials=3", "search.heartbeat_seconds=2", "trainer.max_epochs=1"]
    named = ["--experiments", "hem_all_cnn_32", "--output"]
    named_cells = ["models/chromosomes", f"{work}/cells", f"cache_dir={work}/cache"]
    return [
        Command("export", lambda out: ["scripts/export.py", first, "--output", f"{out}/out"], 8),
        Command("ensemble", lambda out: ["scripts/ensemble.py", "average", first, second, "--output", f"{out}/out"], 8),
        Command("karyotype", lambda out: ["scripts/karyotype.py", *named_cells, "--output", f"{out}/out"], 8),
        Command("tune", lambda out: ["scripts/tune.py", *quick, *search, *places(out)], 5, at_once=False),
        Command(
            "reproduce",
            lambda out: ["scripts/reproduce.py", "003", *own, *places(out), *named, f"{out}/out"],
            4,
            at_once=False,
        ),
    ]


def _inputs(work: Path, data_dir: Path) -> list[Path]:
    """Make two runs, and images of the chromosomes of two cells."""
    places = [f"output_dir={work}/runs", f"cache_dir={work}/cache", f"data_dir={data_dir}"]
    for seed in range(2):
        _must(finish(["train.py", *places, *KEYS, f"seed={seed}", "name=cells"], work / "printed"), work)
    export = ["scripts/prepare_data.py", *CELLS, f"cache_dir={work}/cache", "--export", f"{work}/cells"]
    _must(finish(export, work / "printed"), work)
    return sorted(work.glob("runs/cells/*/seed=*"))


def _must(code: int | None, work: Path) -> None:
    if code:
        raise SystemExit((work / "printed").read_text())


def kill_and_repeat(command: Command, work: Path, generator: np.random.Generator) -> list[dict[str, Any]]:
    """Kill a command some times, each time from an empty folder; return a row of the table for each."""
    folder = work / command.name  # always the same: files name it
    printed = work / "printed"
    began = time.monotonic()
    _must(finish(command.words(folder), printed), work)
    seconds = time.monotonic() - began
    right = contents(folder)
    rows = []
    for _ in range(command.kills):
        shutil.rmtree(folder)
        process = start(command.words(folder), printed)
        moment = float(generator.uniform(0, seconds))
        process.join(moment)
        kill(process)
        left = contents(folder)
        if command.at_once and (folder / "out").exists():
            state = "whole" if left == right else "HALF-WRITTEN"
        else:
            state = f"{len(left)} of {len(right)} files" if not command.at_once else "nothing"
        code = finish(command.words(folder), printed)
        same = contents(folder) == right
        then = "went on" if not command.at_once else "started anew"
        if code and state == "whole":
            then = "refused, it is there"
        elif code:
            then = "ERROR"
        about = {"command": command.name, "seconds": moment, "of": seconds, "left": state, "then": then}
        rows.append({**about, "result": "as undisturbed" if same else "DIFFERENT"})
        if not same or rows[-1]["then"] == "ERROR":
            now = contents(folder)
            print([place for place in {**now, **right} if now.get(place, 0) != right.get(place, 0)])
            print(printed.read_text()[-2000:])
        print(*rows[-1].values(), sep=" | ", flush=True)
    return rows


def kill_reviews(folder: Path, printed: Path, kills: int, generator: np.random.Generator) -> list[dict[str, Any]]:
    """Kill the server of the review while decisions are made: those that it has confirmed must be there."""
    words = ["scripts/review.py", str(folder), "--reader", "reader"]
    rows = []
    kept = 0
    for _ in range(kills):
        process = start(words, printed)
        address = _address(printed)
        _decide(address)
        moment = float(generator.uniform(0, 3))
        timer = threading.Timer(moment, kill, [process])
        timer.start()
        confirmed = 1
        with suppress(OSError, HTTPException):
            while True:
                _decide(address)
                confirmed += 1
        timer.join()
        lines = len(read_decisions(folder / "decisions.jsonl")[0]) - kept
        process = start(words, printed)
        state = _read(f"{_address(printed)}queue")["items"][0]["state"]
        os.kill(process.pid or 0, signal.SIGINT)
        process.join(SECONDS)
        decided, torn = read_decisions(folder / "decisions.jsonl")
        approved = decided[-1].action == "approve"
        right = confirmed <= lines <= confirmed + 1 and len(decided) == kept + lines and not torn
        right &= (state == "approved") == approved == any(folder.glob("approved/*.png"))
        left = f"{lines} decisions, {confirmed} of them confirmed"
        about = {"command": "review", "seconds": moment, "of": np.nan, "left": left}
        then = "ERROR" if process.exitcode else "went on"
        rows.append({**about, "then": then, "result": "as decided" if right else "DIFFERENT"})
        print(*rows[-1].values(), torn, sep=" | ", flush=True)
        kept = len(decided)
    return rows


def _address(printed: Path) -> str:
    for _ in range(600):
        time.sleep(0.1)
        found = re.search(r"http://\S+/", printed.read_text()) if printed.exists() else None
        if found:
            return found[0]
    raise SystemExit(printed.read_text())


def _read(address: str) -> Any:
    with urlopen(address) as answer:  # noqa: S310 (the page of this machine)
        return json.load(answer)


def _decide(address: str) -> None:
    """Approve the first cell, or undo that."""
    first = _read(f"{address}queue")["items"][0]
    action = "undo" if first["state"] == "approved" else "approve"
    origin = address.rsplit("/", 2)[0]
    place = f"{address}items/{quote(first['stem'], safe='')}/decisions"
    body = json.dumps({"action": action, "seconds": 1.0}).encode()
    with urlopen(Request(place, body, {"Origin": origin, "Content-Type": "application/json"})):  # noqa: S310 (as above)
        pass


if __name__ == "__main__":
    data_folder, work_folder, table = map(Path, sys.argv[1:4])
    shutil.rmtree(work_folder, ignore_errors=True)
    work_folder.mkdir(parents=True)
    drawn = np.random.default_rng(0)
    found: list[dict[str, Any]] = []
    for each in commands(work_folder, data_folder):
        found += kill_and_repeat(each, work_folder, drawn)
        write_csv(table, pd.DataFrame(found), "%.2f")
    reviewed = work_folder / "karyotype" / "out"
    found += kill_reviews(reviewed, work_folder / "printed", 7, drawn)
    write_csv(table, pd.DataFrame(found), "%.2f")
