"""Run the commands of a plan one after another; the same call again goes on where it was interrupted."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from karyocyte.common.cli import INTERRUPTED, console, say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.paths import ROOT
from karyocyte.common.text import one_line
from karyocyte.config.overrides import quote_text
from karyocyte.runs.lifecycle import locked
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import is_done, read_record, read_sweep, run_of
from reproduction.plan import (
    WEIGHTS,
    Plan,
    Runs,
    Step,
    analysis_steps,
    comparison_step,
    preparation_steps,
    training_step,
)

MARK = ".reproduction"  # the file of a folder that holds what reproduce.py has made


def _say_step(title: str, step: Step) -> None:
    """Print a command as one line without indentation, so that it can be copied."""
    say(title)
    console.print(one_line(step.line), markup=False, soft_wrap=True)


def run_plan(plan: Plan) -> None:
    """Run all commands of a plan, the last of which writes reproduction.csv.

    A ``UserError`` says that data cannot be prepared, no run is finished or, at the end, that some step has failed.
    """
    with locked(plan.output, f"another command reproduces into {plan.output}: wait for it, or name a new --output"):
        failed = _prepare(plan)
        runs: dict[str, Runs] = {}
        for split in plan.splits:
            step = training_step(plan, split)
            succeeded = run_step(step)
            runs[split.name] = finished_runs(plan.output_dir, step)
            if not (succeeded and runs[split.name]):
                failed.append(step)
        if not any(runs.values()):
            raise UserError("no run has finished: see the errors above; the same command runs what is missing")
        _claim_folder(plan.output)
        failed += _evaluate(plan, runs)
    if failed:
        names = ", ".join(step.name for step in failed)
        raise UserError(f"these steps failed: {names}; the same command runs what is missing")


def _prepare(plan: Plan) -> list[Step]:
    """Bring weights and prepare images; return the step of the weights where some are missing: the others go on."""
    failed = [step for step in preparation_steps(plan) if not run_step(step)]
    for step in failed:
        if step.name != WEIGHTS:
            raise UserError(f"the images cannot be prepared: {step.line}")
    return failed


def _claim_folder(output: Path) -> None:
    """Mark a folder as one of reproductions, whose files are made anew; a ``UserError``: it holds other files."""
    mark = output / MARK
    if not mark.exists() and any(not file.name.startswith(".") for file in output.iterdir()):
        raise UserError(f"{output} holds other files: name a new --output")
    mark.touch()


def _evaluate(plan: Plan, runs: Mapping[str, Runs]) -> list[Step]:
    """Run the steps that read finished runs, and compare all with the paper; return the steps that failed."""
    steps = list(chain.from_iterable(analysis_steps(plan, split, runs[split.name]) for split in plan.splits))
    failed = [step for step in steps if not _make(step)]
    made = [step.makes for step in steps if step.makes and step.makes.is_dir()]
    return failed + _compare(plan, runs, made)


def _make(step: Step) -> bool:
    """Run a step that reads finished runs, in place of what it made before; return whether it succeeds."""
    assert step.makes is not None
    if step.makes.is_dir():
        shutil.rmtree(step.makes)
    else:
        step.makes.unlink(missing_ok=True)
    return run_step(step)


def _compare(plan: Plan, runs: Mapping[str, Runs], made: Sequence[Path]) -> list[Step]:
    """Compare the runs, and ensembles in folders that steps made, with the paper; return the step where it fails."""
    found = chain.from_iterable(map(Run.find, made))
    step = comparison_step(plan, runs, [run.folder for run in found if run.is_ensemble and run.is_finished])
    for split in plan.splits:
        for name in plan.experiments:
            planned, finished = len(plan.seeds) * len(split.folds), len(runs[split.name].get(name, ()))
            if finished < planned:
                warn(f"{split.name} split: unfinished runs of {name} ({planned - finished} of {planned})")
    return [] if run_step(step) else [step]


def run_step(step: Step) -> bool:
    """Run a step and return whether it succeeds; after Ctrl-C end as it does."""
    _say_step(step.name, step)
    code = _wait_for([sys.executable, str(ROOT / step.words[0]), *step.words[1:]])
    if code == INTERRUPTED:
        warn("interrupted: the same command goes on with what is missing")
        raise SystemExit(INTERRUPTED)
    return code == 0


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
