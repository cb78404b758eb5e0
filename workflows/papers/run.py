"""Run the commands of a plan one after another; the same call again goes on where it was interrupted."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from pathlib import Path

from common.cli import INTERRUPTED, say, warn
from common.config.grid import job_configs
from common.config.overrides import quote_path
from common.errors import UserError
from common.files import sha256_of_value
from common.paths import ROOT
from common.runs import sweeps
from common.runs.files import RunFile
from common.runs.lifecycle import locked
from common.runs.run import Run
from common.runs.sweeps import Job
from workflows.papers.page import warnings_of, write_page
from workflows.papers.plan import (
    WEIGHTS,
    Plan,
    Runs,
    Split,
    Step,
    analysis_steps,
    comparison_step,
    ensemble_folders,
    number_of_jobs,
    preparation_steps,
    training_step,
)
from workflows.papers.records import Records, StepRecord

GIB = 2**30


@dataclass(frozen=True)
class RunPattern:
    """A pattern of a shell for runs that are not trained yet; ``folder`` is the output folder."""

    folder: Path
    protocol: str
    experiment: str
    fold: str
    seed: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.experiment}/{self.protocol}-fold{self.fold}-*/seed={self.seed}"


def show(plan: Plan) -> None:
    """Print the commands of a plan; runs that are not trained yet are named by a pattern."""
    training = [training_step(plan, split) for split in plan.splits]
    steps = preparation_steps(plan) + training
    patterns: dict[str, RunPattern] = {}
    runs: dict[str, Runs] = {}
    for split in plan.splits:
        of_split = _patterns(plan, split)
        runs[split.name] = {name: [str(pattern) for pattern in several] for name, several in of_split.items()}
        patterns |= {str(pattern): pattern for several in of_split.values() for pattern in several}
        steps += analysis_steps(plan, split, runs[split.name])
    steps.append(comparison_step(plan, runs, ensemble_folders(plan, runs)))
    say(f"paper {plan.paper}: {plan.config.title}", f"{number_of_jobs(plan)} runs, {len(steps)} steps")
    for number, step in enumerate(steps, 1):
        say(f"{number}. {step.about}", replace(step, words=tuple(_with_braces(step.words, patterns))).line)


def reproduce(plan: Plan) -> None:
    """Run all commands of a plan and write reproduction.html and reproduction.csv.

    Raises:
        UserError: Data cannot be prepared, no run is finished, or, at the end, some step has failed.
    """
    with locked(plan.output, f"another command reproduces into {plan.output}: wait for it, or name a new --output"):
        records = Records(plan)
        failed = _prepare(plan, records)
        runs: dict[str, Runs] = {}
        for split in plan.splits:
            step = training_step(plan, split)
            code = _run(step, "", records)
            runs[split.name] = finished_runs(plan.output_dir, step)
            if code != 0 or not runs[split.name]:
                failed.append(step)
        if not any(runs.values()):
            raise UserError("no run has finished: see the errors above; the same command runs what is missing")
        for split in plan.splits:
            failed += _analyse(plan, split, runs[split.name], records)
        _compare(plan, runs, records)
    if failed:
        warn(*_errors_of_runs(plan))
        names = ", ".join(step.name for step in failed)
        raise UserError(f"these steps failed: {names}; the same command runs what is missing")


def _prepare(plan: Plan, records: Records) -> list[Step]:
    """Bring weights and prepare images; return the step of the weights where some are missing.

    The experiments that have their weights go on.
    """
    failed = []
    for step in preparation_steps(plan):
        if _run(step, "", records) != 0:
            if step.name != WEIGHTS:
                raise UserError(f"the images cannot be prepared: {step.line}")
            failed.append(step)
    return failed


def _compare(plan: Plan, runs: Mapping[str, Runs], records: Records) -> None:
    """Compare the runs, and the ensembles that could be made, with the paper, and write the page."""
    ensembles = [folder for folder in ensemble_folders(plan, runs) if Run(folder).is_finished]
    step = comparison_step(plan, runs, ensembles)
    records.discard_result(step)
    if _run(step, "", records) != 0:
        raise UserError("the figures cannot be compared, so there is no page")
    say(str(write_page(plan, runs, records.steps)), f"table: {step.makes}")
    warn(*warnings_of(plan, runs))


def _analyse(plan: Plan, split: Split, runs: Runs, records: Records) -> list[Step]:
    """Run the steps that read the runs of a split; return those that failed."""
    inputs = _fingerprint(runs)
    failed = []
    for step in analysis_steps(plan, split, runs):
        if not records.is_done(step, inputs):
            records.discard_result(step)
            if _run(step, inputs, records) != 0:
                failed.append(step)
        # The report shows what earlier steps have made: it is made anew once a step succeeds that has failed before.
        inputs = sha256_of_value([inputs, step in failed])
    return failed


def _run(step: Step, inputs: str, records: Records) -> int:
    """Run a step and keep its record; return its exit code.

    Ctrl-C reaches the command, too; it ends this one with the usual exit code.
    """
    say(f"{step.name}: {step.about}", step.line)
    before = records.steps.get(step.name)
    begun = StepRecord(step.line, inputs)
    if before is not None and before.line == step.line:
        begun = replace(before, inputs=inputs, code=None)  # the times of all calls are added
    records.add(step, begun)  # so that what it leaves when it is killed is known to be its
    started = time.monotonic()
    code, usage = _wait_for([sys.executable, str(ROOT / step.words[0]), *step.words[1:]])
    ended = replace(
        begun,
        code=code,
        seconds=begun.seconds + time.monotonic() - started,
        cpu_seconds=begun.cpu_seconds + usage.ru_utime + usage.ru_stime,
        memory_gib=max(begun.memory_gib, usage.ru_maxrss * 1024 / GIB),
    )
    records.add(step, ended)
    if code == INTERRUPTED:
        warn("interrupted: the same command goes on with what is missing")
        raise SystemExit(INTERRUPTED)
    return code


def _wait_for(command: Sequence[str]) -> tuple[int, resource.struct_rusage]:
    """Run a command; return its exit code, the usual one after Ctrl-C, and what it used."""
    process = subprocess.Popen(command)
    interrupted = False
    while True:
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:  # the command has it, too, and ends
            interrupted = True
        else:
            return INTERRUPTED if interrupted else os.waitstatus_to_exitcode(status), usage


def finished_runs(output_dir: Path, training: Step) -> Runs:
    """Return the folders of the finished runs of a training step, by experiment; none where it has left no sweep."""
    runs: dict[str, list[str]] = {}
    folder, jobs = _jobs(output_dir, training)
    for job in jobs:
        if sweeps.is_done(folder, job.key):
            runs.setdefault(job.value("experiment"), []).append(sweeps.read_record(folder, job.key)["run"])
    return runs


def _jobs(output_dir: Path, training: Step) -> tuple[Path, tuple[Job, ...]]:
    """Return the newest sweep of a training step and its jobs; none where it has left no sweep."""
    words = tuple(quote_path(word) for word in training.words[1:])
    for file in sorted(output_dir.glob("sweeps/*/sweep.json"), key=lambda path: path.stat().st_mtime, reverse=True):
        sweep = sweeps.read_sweep(file.parent)
        if sweep.command[1:] == words:
            return file.parent, sweep.jobs
    return output_dir, ()


def _errors_of_runs(plan: Plan) -> list[str]:
    """Return what failed runs say, alike messages once, each with its experiments."""
    experiments: dict[str, dict[str, None]] = {}
    for split in plan.splits:
        folder, jobs = _jobs(plan.output_dir, training_step(plan, split))
        for job in jobs:
            record = sweeps.read_record(folder, job.key)
            if record["status"] == "failed" and record.get("error"):
                experiments.setdefault(record["error"], {})[job.value("experiment")] = None
    return [f"{', '.join(names)}: {error}" for error, names in experiments.items()]


def _fingerprint(runs: Runs) -> str:
    """Return a hash of the runs and of the times of their predictions."""
    times = {}
    for folders in runs.values():
        for folder in folders:
            times[folder] = Run(Path(folder)).path(RunFile.PREDICTIONS).stat().st_mtime_ns
    return sha256_of_value(times)


def _patterns(plan: Plan, split: Split) -> dict[str, list[RunPattern]]:
    """Return the patterns of the runs of each experiment, one for each fold and seed."""
    words = [f"+experiment={','.join(plan.experiments)}", *split.overrides, *plan.job_words]
    protocols = {config.name: config.protocol for config in job_configs(words, needs_data=False)}
    patterns: dict[str, list[RunPattern]] = {}
    for name in plan.experiments:
        for fold, seed in product(map(str, split.folds), map(str, plan.seeds)):
            pattern = RunPattern(plan.output_dir, protocols[name], name, fold, seed)
            patterns.setdefault(name, []).append(pattern)
    return patterns


def _with_braces(words: Sequence[str], patterns: Mapping[str, RunPattern]) -> list[str]:
    """Return the words with neighbouring runs of a protocol as one: ``outputs/{a,b}/paper-fold0-*/seed={0,1}``.

    Such runs are all combinations of some experiments, folds and seeds.
    """
    short: list[str] = []
    for protocol, group in groupby(words, key=lambda word: patterns[word].protocol if word in patterns else ""):
        if not protocol:
            short += group
            continue
        runs = [patterns[word] for word in group]
        experiment, fold = _braces([run.experiment for run in runs]), _braces([run.fold for run in runs])
        seed = _braces([run.seed for run in runs])
        short.append(str(replace(runs[0], experiment=experiment, fold=fold, seed=seed)))
    return short


def _braces(values: Sequence[str]) -> str:
    """Return the one value, or all of them in the braces of a shell."""
    unique = list(dict.fromkeys(values))
    return unique[0] if len(unique) == 1 else f"{{{','.join(unique)}}}"
