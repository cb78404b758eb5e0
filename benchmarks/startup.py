"""The measurement behind ``benchmark.py startup``: from the start of a process, or from sbatch, to the first batch."""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from common.errors import UserError
from common.paths import ROOT

PROBE = ROOT / "scripts" / "benchmarks" / "startup_probe"
LIBRARIES = "import torch, timm, pytorch_lightning, hydra, albumentations"
BARE = "five libraries"
JOB = "train.py"
SUBMITTED = "sbatch to first batch"
IMPORTS = ("Hydra", "torch", "timm", "Lightning", "albumentations", "other libraries", "our modules")
WORK = ("compose", "inspect", "build", "prepare", "trainer", "first batch", "rest")
PHASES = ("python", *IMPORTS, *WORK, "total")
WAITING = ("queue", "job to Python", "Python to first batch", "total")
USUAL = ("+experiment=resnet50_cut_block5", "+profile=smoke", "data=synthetic", "weights=random")
Times = dict[str, tuple[float, float]]  # of a phase: seconds of wall and of CPU time


class Processes:
    """Starts processes with the probe in them, and reads what it has counted.

    Bytecode of their own is written by the first of them into ``folder``, so that how this machine came to its
    packages does not matter; without bytecode, every process compiles all that it imports.

    Args:
        folder: An empty folder for everything.
        overrides: What is typed after ``train.py``.
    """

    def __init__(self, folder: Path, overrides: Sequence[str]) -> None:
        self.folder = folder
        self.overrides = overrides
        self.runs = 0

    def bare(self, bytecode: bool) -> Times:
        """Import the five libraries and nothing else."""
        finish = "import sitecustomize; sitecustomize.WATCH.finish()"
        return _times(self._start(["-c", f"{LIBRARIES}; {finish}"], bytecode))

    def job(self, bytecode: bool) -> Times:
        """Run train.py up to its first batch; it ends there."""
        return _times(self.job_facts(bytecode))

    def job_facts(self, bytecode: bool | None = None, write: bool = False) -> dict[str, Any]:
        """Run train.py up to its first batch; return what the probe has written.

        Args:
            bytecode: Whether there is any; None: as it is on this machine.
            write: Write it.
        """
        return self._start(self._job(), bytecode, write=write, KARYOCYTE_STARTUP_STOP="1")

    def submitted(self) -> Times:
        """Send the job to Slurm with the launcher, and wait for its end; the queue's time stands apart."""
        began = f'"date +%s.%N > {self.folder}/marks/began"'
        cluster = ["+cluster=slurm", "cluster.poll_seconds=1", "cluster.cpus_per_task=1", "cluster.gpus_per_node=null"]
        script, *overrides = self._job()
        command = [script, "-m", *overrides, *cluster, f"cluster.setup=[{began}]"]
        facts = self._start(command, bytecode=True)
        submitted = min(_read(self.marks.glob("submit-*.json")), key=lambda mark: mark["submitted"])["submitted"]
        moments = [submitted, float((self.marks / "began").read_text()), facts["started"], facts["first_batch"]]
        spans = [later - earlier for earlier, later in zip(moments[:-1], moments[1:], strict=True)]
        nothing = float("nan")  # a job that waits has no CPU time
        each = dict(zip(WAITING, ((span, nothing) for span in spans), strict=False))
        return each | {"total": (sum(spans), facts["cpu"])}

    @property
    def marks(self) -> Path:
        """Where the probe writes."""
        return self.folder / "marks"

    def _job(self) -> list[str]:
        self.runs += 1
        places = [f"output_dir={self.folder}/outputs", f"cache_dir={self.folder}/cache", f"seed={self.runs}"]
        return ["train.py", *self.overrides, *places, "trainer.enable_progress_bar=false"]

    def _start(
        self, arguments: Sequence[str], bytecode: bool | None, write: bool = False, **more: str
    ) -> dict[str, Any]:
        shutil.rmtree(self.marks, ignore_errors=True)
        self.marks.mkdir()
        path = os.pathsep.join([str(PROBE), *filter(None, [os.environ.get("PYTHONPATH")])])
        own = {
            "KARYOCYTE_STARTUP": str(self.marks),
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "" if write else "1",
        }
        if bytecode is not None:
            own["PYTHONPYCACHEPREFIX"] = str(self.folder / ("bytecode" if bytecode else "none"))
        command = [sys.executable, *arguments]
        environment = os.environ | own | more
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        found = _read(self.marks.glob("start-*.json"))
        if done.returncode or not found:
            said = (done.stderr.strip() or done.stdout.strip() or "it did not say why").splitlines()[-1]
            raise UserError(f"{' '.join(arguments[:4])} ... did not come to its first batch: {said}")
        return found[0]


def measure(
    folder: Path, overrides: Sequence[str], rounds: int, slurm: bool, note: Callable[[str], None]
) -> pd.DataFrame:
    """Start the processes of every case in turn, ``rounds`` times; return medians, one row per case and phase.

    Args:
        folder: An empty folder; for Slurm, one that its nodes share.
        overrides: What is typed after ``train.py``; the images are prepared beforehand.
        rounds: How often.
        slurm: Whether jobs are sent to Slurm, too.
        note: Told what is done.
    """
    processes = Processes(folder, overrides)
    note("filling the caches ...")
    processes.job_facts(bytecode=True, write=True)
    cases: dict[tuple[str, bool], Callable[[], Times]] = {}
    for bytecode in (True, False):
        cases[BARE, bytecode] = lambda bytecode=bytecode: processes.bare(bytecode)
        cases[JOB, bytecode] = lambda bytecode=bytecode: processes.job(bytecode)
    if slurm:
        cases[SUBMITTED, True] = processes.submitted
    times: dict[tuple[str, bool], list[Times]] = {case: [] for case in cases}
    for number in range(rounds):
        for case, run in cases.items():
            times[case].append(run())
            note(f"round {number + 1}, {case[0]}{_suffix(case[1])}: {times[case][-1]['total'][0]:.1f} s")
    return pd.DataFrame(list(_rows(times)))


def beyond(found: pd.DataFrame, clock: str = "wall_s") -> float:
    """Return the median seconds of train.py to its first batch, less those of importing the five libraries.

    Args:
        found: Of :func:`measure`.
        clock: "wall_s", or "cpu_s", which other work on the machine disturbs less.
    """
    rows = found[(found["phase"] == "total") & found["bytecode"]].set_index("case")[clock]
    return float(rows[JOB] - rows[BARE])


def has_slurm() -> bool:
    """Whether there is a Slurm here that answers."""
    if shutil.which("sbatch") is None:
        return False
    return subprocess.run(["sinfo", "--noheader"], capture_output=True, check=False).returncode == 0


def startup_table(found: pd.DataFrame) -> Table:
    """Return the table of all phases: seconds of wall time, and in brackets of CPU time."""
    shown = Table("phase", title="from the start of a process to the first batch, s")
    cases = list(dict.fromkeys(zip(found["case"], found["bytecode"], strict=True)))
    for case, bytecode in cases:
        shown.add_column(case + _suffix(bytecode), justify="right")
    cells = found.set_index(["case", "bytecode", "phase"])
    for phase in (*PHASES[:-1], *WAITING):
        keys = [(*case, phase) for case in cases]
        shown.add_row(phase, *[_cell(cells.loc[key]) if key in cells.index else "" for key in keys])
    return shown


def _suffix(bytecode: bool) -> str:
    if bytecode:
        return ""
    return ", no bytecode"


def _cell(row: pd.Series) -> str:
    if pd.isna(row["cpu_s"]):
        cpu = ""
    else:
        cpu = f" ({row['cpu_s']:.2f})"
    return f"{row['wall_s']:.2f}{cpu}"


def _rows(times: dict[tuple[str, bool], list[Times]]) -> Iterator[dict[str, Any]]:
    for (case, bytecode), rounds in times.items():
        for phase in WAITING if case == SUBMITTED else PHASES:
            counted = [each[phase] for each in rounds if phase in each]
            if counted:
                wall, cpu = (statistics.median(each) for each in zip(*counted, strict=True))
                about = {"case": case, "bytecode": bytecode, "phase": phase}
                yield {**about, "wall_s": wall, "cpu_s": cpu, "rounds": len(rounds)}


def _times(facts: dict[str, Any]) -> Times:
    groups = {name: (wall, cpu) for name, (wall, cpu) in facts["groups"].items()}
    return groups | {"total": (facts["first_batch"] - facts["started"], facts["cpu"])}


def _read(files: Iterator[Path]) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in files]
