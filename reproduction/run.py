"""Run the commands of a plan one after another; the same call again goes on where it was interrupted."""

import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from karyocyte.common.cli import INTERRUPTED, console, say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_whole_json, sha256_of_value, write_json
from karyocyte.common.paths import ROOT
from karyocyte.common.text import counted, one_line
from karyocyte.config.overrides import quote_text
from karyocyte.config.schema import Config
from karyocyte.runs.files import RunFile
from karyocyte.runs.lifecycle import locked
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import is_done, read_record, read_sweep, run_of
from reproduction.page import warnings_of, write_page
from reproduction.plan import (
    WEIGHTS,
    Plan,
    Runs,
    Split,
    Step,
    analysis_steps,
    comparison_step,
    preparation_steps,
    training_step,
)

RECORD = "steps.json"
LINE, TITLE = 80, 30  # columns of a terminal, and of the name of a step


@dataclass(frozen=True)
class StepRecord:
    """How a step ended: command, hash of the runs that it read, exit code (None: not ended), wall time of all calls."""

    line: str
    inputs: str
    code: int | None = None
    seconds: float = 0.0


_STEPS = TypeAdapter(dict[str, StepRecord])


class Records:
    """The records of the steps of one plan by name, in steps.json of its output folder.

    A ``UserError`` says that the folder is of a plan with other settings.
    """

    def __init__(self, plan: Plan) -> None:
        self.path = plan.output / RECORD
        self.settings: dict[str, Any] = {  # what tells one reproduction from another, but for where its jobs run
            "paper": plan.paper,
            "experiments": list(plan.experiments),
            "words": sorted(plan.job_words),
            "seeds": list(plan.seeds),
            "folds": {split.name: list(split.folds) for split in plan.splits},
        }
        content = read_whole_json(self.path)
        self.steps = _STEPS.validate_python(content.get("steps", {}))
        made_with = content.get("settings", self.settings)
        for key, value in self.settings.items():
            if made_with[key] != value:
                made = f"{plan.output} was made with other settings ({key} {made_with[key]})"
                raise UserError(f"{made}: name a new --output")

    def is_done(self, step: Step, inputs: str) -> bool:
        """Whether the step has ended well with the same inputs, and what it made is there."""
        record = self.steps.get(step.name)
        if record is None or step.makes is None:
            return False
        return (record.line, record.inputs, record.code) == (step.line, inputs, 0) and step.makes.exists()

    def discard_result(self, step: Step) -> None:
        """Remove what an earlier call of the step made; a ``UserError`` says that no step has made what is there."""
        if step.makes is None or not step.makes.exists():
            return
        if step.name not in self.steps:
            raise UserError(f"{step.makes} exists and no step has made it: move it away, or name a new --output")
        if step.makes.is_dir():
            shutil.rmtree(step.makes)
        else:
            step.makes.unlink()

    def run(self, step: Step, inputs: str = "") -> bool:
        """Run a step, with the hash of the runs that it reads; return whether it succeeds."""
        _say_step(step.name, step)
        before = self.steps.get(step.name)
        earlier = before.seconds if before and before.line == step.line else 0.0  # the times of all calls are added
        begun = StepRecord(step.line, inputs, seconds=earlier)
        self._keep(step, begun)  # so that what it leaves when it is killed is known to be its
        started = time.monotonic()
        code = _wait_for([sys.executable, str(ROOT / step.words[0]), *step.words[1:]])
        self._keep(step, replace(begun, code=code, seconds=earlier + time.monotonic() - started))
        if code == INTERRUPTED:
            warn("interrupted: the same command goes on with what is missing")
            raise SystemExit(INTERRUPTED)
        return code == 0

    def _keep(self, step: Step, record: StepRecord) -> None:
        self.steps[step.name] = record
        write_json(self.path, {"settings": self.settings, "steps": _STEPS.dump_python(self.steps)})


def show_plan(plan: Plan, configs: Mapping[str, Sequence[Config]], in_full: bool = False) -> None:
    """Print the commands of a plan, each on a line that may be cut, or ``in_full``, to be copied.

    Runs that are not trained yet are named by patterns, of their configurations.
    """
    steps = preparation_steps(plan) + [training_step(plan, split) for split in plan.splits]
    runs = {split.name: _patterns(plan, split, configs[split.name]) for split in plan.splits}
    for split in plan.splits:
        steps += analysis_steps(plan, split, runs[split.name])
    steps.append(comparison_step(plan, runs, ()))
    say(f"paper {plan.paper}: {counted(len(steps), 'step')}")
    for number, step in enumerate(steps, 1):
        title = f"{number:2}. {step.name}"
        if in_full:
            _say_step(title, step)
        else:
            say(f"{title:{TITLE}} {textwrap.shorten(step.line, LINE - TITLE - 1, placeholder=' ...')}")
    if not in_full:
        say("--commands instead of --dry-run prints these commands in full")


def _say_step(title: str, step: Step) -> None:
    """Print a command as one line without indentation, so that it can be copied."""
    say(title)
    console.print(one_line(step.line), markup=False, soft_wrap=True)


def _patterns(plan: Plan, split: Split, configs: Sequence[Config]) -> Runs:
    """Return patterns of the runs of each experiment, one for each fold and seed."""
    patterns: dict[str, list[str]] = {}
    for config in configs:
        for fold, seed in product(split.folds, plan.seeds):
            pattern = f"{config.output_dir}/{config.name}/{config.protocol}-fold{fold}-*/seed={seed}"
            patterns.setdefault(config.name, []).append(pattern)
    return patterns


def run_plan(plan: Plan) -> None:
    """Run all commands of a plan and write reproduction.html and reproduction.csv.

    A ``UserError`` says that data cannot be prepared, no run is finished or, at the end, that some step has failed.
    """
    with locked(plan.output, f"another command reproduces into {plan.output}: wait for it, or name a new --output"):
        records = Records(plan)
        failed = _prepare(plan, records)
        runs: dict[str, Runs] = {}
        for split in plan.splits:
            step = training_step(plan, split)
            succeeded = records.run(step)
            runs[split.name] = finished_runs(plan.output_dir, step)
            if not (succeeded and runs[split.name]):
                failed.append(step)
        if not any(runs.values()):
            raise UserError("no run has finished: see the errors above; the same command runs what is missing")
        for split in plan.splits:
            failed += _analyse(plan, split, runs[split.name], records)
        _compare(plan, runs, records)
    if failed:
        names = ", ".join(step.name for step in failed)
        raise UserError(f"these steps failed: {names}; the same command runs what is missing")


def _prepare(plan: Plan, records: Records) -> list[Step]:
    """Bring weights and prepare images; return the step of the weights where some are missing: the others go on."""
    failed = [step for step in preparation_steps(plan) if not records.run(step)]
    for step in failed:
        if step.name != WEIGHTS:
            raise UserError(f"the images cannot be prepared: {step.line}")
    return failed


def _analyse(plan: Plan, split: Split, runs: Runs, records: Records) -> list[Step]:
    """Run the steps that read the runs of a split; return those that failed."""
    inputs = _fingerprint(runs)
    failed = []
    for step in analysis_steps(plan, split, runs):
        if not records.is_done(step, inputs):
            records.discard_result(step)
            if not records.run(step, inputs):
                failed.append(step)
        # The report shows what earlier steps have made: it is made anew once a step succeeds that has failed before.
        inputs = sha256_of_value([inputs, step in failed])
    return failed


def _compare(plan: Plan, runs: Mapping[str, Runs], records: Records) -> None:
    """Compare the runs, and the ensembles that could be made, with the paper, and write the page."""
    found = chain.from_iterable(Run.find(plan.output / split.name) for split in plan.splits)
    ensembles = [run.folder for run in found if run.is_ensemble and run.is_finished]
    step = comparison_step(plan, runs, ensembles)
    records.discard_result(step)
    if not records.run(step):
        raise UserError("the figures cannot be compared, so there is no page")
    costs = {f"{name}\n{record.line}": (record.seconds, record.code == 0) for name, record in records.steps.items()}
    say(str(write_page(plan, runs, costs)), f"table: {step.makes}")
    warn(*warnings_of(plan, runs))


def _wait_for(command: Sequence[str]) -> int:
    """Run a command; return its exit code, the usual one after Ctrl-C."""
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except KeyboardInterrupt:  # the command has it, too, and ends
        process.wait()
        return INTERRUPTED


def finished_runs(output_dir: Path, training: Step) -> Runs:
    """Return the folders of the finished runs of the newest sweep of a training step, by experiment; {} without one."""
    runs: dict[str, list[str]] = {}
    words = tuple(quote_text(word) for word in training.words[1:])
    files = [file for file in output_dir.glob("sweeps/*/sweep.json") if read_sweep(file.parent).command[1:] == words]
    if files:
        folder = max(files, key=lambda path: path.stat().st_mtime).parent
        for job in read_sweep(folder).jobs:
            run = run_of(folder, read_record(folder, job.key))
            if run is not None and is_done(folder, job.key):
                runs.setdefault(job.value("experiment"), []).append(str(run.folder))
    return runs


def _fingerprint(runs: Runs) -> str:
    """Return a hash of the runs and of the times of their predictions."""
    folders = chain.from_iterable(runs.values())
    times = {folder: Run(Path(folder)).path(RunFile.PREDICTIONS).stat().st_mtime_ns for folder in folders}
    return sha256_of_value(times)
