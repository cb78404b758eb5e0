"""Run the commands of a plan one after another; the same call again goes on where it was interrupted."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.cli import INTERRUPTED, say, warn
from common.config.overrides import quote_path
from common.errors import UserError
from common.files import read_whole_json, sha256_of_value, write_json
from common.paths import ROOT
from common.runs.files import RunFile
from common.runs.lifecycle import locked
from common.runs.run import Run
from common.sweeps.records import read_sweep
from workflows.reproduction.page import write_page
from workflows.reproduction.plan import (
    WEIGHTS,
    Plan,
    Runs,
    Split,
    Step,
    analysis_steps,
    comparison_step,
    number_of_jobs,
    preparation_steps,
    training_step,
)
from workflows.sweeps.status import sweep_statuses

RECORD = "steps.json"
GIB = 2**30


@dataclass(frozen=True)
class StepRecord:
    """How a step ended.

    Attributes:
        line: The command.
        inputs: A hash of the runs that it read, 64 hex digits.
        code: Its exit code.
        seconds: Wall time.
        cpu_seconds: Processor time of it and its children.
        memory_gib: The largest memory of one of its processes.
    """

    line: str
    inputs: str
    code: int
    seconds: float
    cpu_seconds: float
    memory_gib: float


class Records:
    """The records of the steps by name, in steps.json of the output folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORD
        self.steps: dict[str, Any] = read_whole_json(self.path)

    def is_done(self, step: Step, inputs: str) -> bool:
        """Whether the step has ended well with the same inputs, and what it made is there."""
        record = self.steps.get(step.name, {})
        same = record.get("line") == step.line and record.get("inputs") == inputs and record.get("code") == 0
        return same and step.makes is not None and step.makes.exists()

    def add(self, step: Step, record: StepRecord) -> None:
        """Keep how a step ended."""
        self.steps[step.name] = asdict(record)
        write_json(self.path, self.steps)

    def discard_result(self, step: Step) -> None:
        """Remove what an earlier call of the step made.

        Raises:
            UserError: Something is there that no step has made.
        """
        if step.makes is None or not step.makes.exists():
            return
        if step.name not in self.steps:
            raise UserError(f"{step.makes} exists and no step has made it: move it away, or name a new --output")
        if step.makes.is_dir():
            shutil.rmtree(step.makes)
        else:
            step.makes.unlink()


def show(plan: Plan) -> None:
    """Print the commands of a plan; runs that are not trained yet are named by a pattern."""
    training = [training_step(plan, split) for split in plan.splits]
    steps = preparation_steps(plan) + training
    patterns = {split.name: _patterns(plan, split) for split in plan.splits}
    for split in plan.splits:
        steps += analysis_steps(plan, split, patterns[split.name])
    steps.append(comparison_step(plan, patterns))
    say(
        f"paper {plan.paper}: {plan.config.title}",
        f"{number_of_jobs(plan) * len(plan.splits)} runs, {len(steps)} steps",
    )
    for number, step in enumerate(steps, 1):
        say(f"{number}. {step.about}", step.line)


def reproduce(plan: Plan) -> None:
    """Run all commands of a plan and write reproduction.html and reproduction.csv.

    Raises:
        UserError: Data cannot be prepared, no run is finished, or, at the end, some step has failed.
    """
    preparation = preparation_steps(plan)
    with locked(plan.output, f"another command reproduces into {plan.output}: wait for it, or name a new --output"):
        records = Records(plan.output)
        failed = []
        for step in preparation:
            if _run(step, "", records) != 0:
                if step.name != WEIGHTS:
                    raise UserError(f"the images cannot be prepared: {step.line}")
                failed.append(step)  # the experiments that have their weights go on
        runs: dict[str, Runs] = {}
        for split in plan.splits:
            step = training_step(plan, split)
            if _run(step, "", records) != 0:
                failed.append(step)
            runs[split.name] = finished_runs(plan.output_dir, step)
        for split in plan.splits:
            failed += _analyse(plan, split, runs[split.name], records)
        comparison = comparison_step(plan, runs)
        records.discard_result(comparison)
        if _run(comparison, "", records) != 0:
            raise UserError("the figures cannot be compared, so there is no page")
        say(str(write_page(plan, runs, records.steps)), f"table: {comparison.makes}")
    if failed:
        names = ", ".join(step.name for step in failed)
        raise UserError(f"these steps failed: {names}; the same command runs what is missing")


def _analyse(plan: Plan, split: Split, runs: Runs, records: Records) -> list[Step]:
    """Run the steps that read the runs of a split; return those that failed."""
    missing = [experiment for experiment in plan.experiments if experiment not in runs]
    if missing:
        warn(f"{split.about}: no finished run of {', '.join(missing)}")
    inputs = _fingerprint(runs)
    failed = []
    for step in analysis_steps(plan, split, runs):
        if records.is_done(step, inputs):
            continue
        records.discard_result(step)
        if _run(step, inputs, records) != 0:
            failed.append(step)
    return failed


def _run(step: Step, inputs: str, records: Records) -> int:
    """Run a step and keep its record; return its exit code.

    Ctrl-C reaches the command, too; it ends this one with the usual exit code.
    """
    say(f"{step.name}: {step.about}", step.line)
    started = time.monotonic()
    script, *words = step.words
    process = subprocess.Popen([sys.executable, str(ROOT / script), *words])
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except KeyboardInterrupt:
        process.wait()
        warn("interrupted: the same command goes on with what is missing")
        raise SystemExit(INTERRUPTED) from None
    code = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    memory = usage.ru_maxrss * 1024 / GIB
    records.add(step, StepRecord(step.line, inputs, code, seconds, usage.ru_utime + usage.ru_stime, memory))
    if code == INTERRUPTED:
        raise SystemExit(INTERRUPTED)
    return code


def finished_runs(output_dir: Path, training: Step) -> Runs:
    """Return the folders of the finished runs of a training step, by experiment.

    Raises:
        UserError: The step has left no sweep.
    """
    words = tuple(quote_path(word) for word in training.words[1:])
    for file in sorted(output_dir.glob("sweeps/*/sweep.json"), key=lambda path: path.stat().st_mtime, reverse=True):
        if read_sweep(file.parent).command[1:] == words:
            break
    else:
        raise UserError(f"no sweep below {output_dir}/sweeps is of {training.line}: run it for its error")
    runs: dict[str, list[str]] = {}
    for job in sweep_statuses(file.parent):
        if job.state == "finished" and job.run is not None:
            runs.setdefault(job.overrides["experiment"], []).append(str(job.run.folder))
    return runs


def _fingerprint(runs: Runs) -> str:
    """Return a hash of the runs and of the times of their predictions."""
    times = {}
    for folders in runs.values():
        for folder in folders:
            times[folder] = Run(Path(folder)).path(RunFile.PREDICTIONS).stat().st_mtime_ns
    return sha256_of_value(times)


def _patterns(plan: Plan, split: Split) -> dict[str, Sequence[str]]:
    """Return a pattern for the runs of each experiment that are not trained yet."""
    protocol = next((word.partition("=")[2] for word in split.overrides if word.startswith("protocol=")), "*")
    runs = [f"{protocol}-fold{fold}-*/seed={seed}" for fold in plan.folds for seed in plan.seeds]
    return {name: [f"{plan.output_dir}/{name}/{run}" for run in runs] for name in plan.experiments}
