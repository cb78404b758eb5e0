"""The jobs of a multirun before any of them begins: how far each is, and where its run lies."""

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.common.installed import run_keys
from karyocyte.common.locks import is_locked
from karyocyte.common.text import counted
from karyocyte.composition.compose import compose_job
from karyocyte.composition.grid import UNIMPORTANT, Grid, grid
from karyocyte.config.cluster import SlurmConfig, check_cluster, check_devices
from karyocyte.config.overrides import overrides_outside
from karyocyte.config.schema import TrainingConfig
from karyocyte.runs import sweeps
from karyocyte.runs.address import run_folder, run_identity
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.workflows.sweeps.slurm import batch_script
from karyocyte.workflows.sweeps.tasks import Task

COMPARED = ("weights", "data_dir", *run_keys())  # an address has their contents, which only a job reads


def show_jobs(typed: Sequence[str], primary: str = "train") -> None:
    """Print the state, the run's folder and the name of each job of a command line; nothing is begun or written."""
    with grid(typed, primary) as expanded:
        jobs = {sweeps.job_of(words): words for words in expanded.jobs}
        output_dir = Path(expanded.composed.output_dir)
        folder = sweeps.sweep_folder(output_dir, sweeps.sweep_name(expanded.jobs[0], primary), list(jobs))
        say(f"{counted(len(jobs), 'job')} of {folder}; * stands for digits that a job finds by its images and weights")
        names, states, config_of = sweeps.names(list(jobs)), Counter[str](), cache(expanded.job_config)
        for job, words in jobs.items():
            config = config_of(overrides_outside(words, UNIMPORTANT), "+cluster=slurm" not in words)
            run = sweeps.run_of(folder, sweeps.read_record(folder, job.key)) or _run_of(config, job)
            killed = run.status.state == "running" and not is_locked(run.path(RunFile.LOCK))
            state = "interrupted" if killed else run.status.state or "missing"
            states[state] += 1
            console.print(f"  {state:<11} {run.folder}  {names[job.key]}", markup=False, soft_wrap=True)
        say(", ".join(f"{count} {state}" for state, count in states.items()))
        if "+cluster=slurm" in expanded.jobs[0]:
            _show_script(expanded, folder.expanduser().resolve(), len(jobs))


def _show_script(expanded: Grid, sweep: Path, jobs: int) -> None:
    words = expanded.jobs[0]
    composed = compose_job(expanded.loader, expanded.composed, overrides_outside(words, UNIMPORTANT), expanded.primary)
    check_devices(composed)
    cluster = check_cluster(composed.cluster)
    assert isinstance(cluster, SlurmConfig)
    script = batch_script(cluster, jobs, sweep, sweep / "slurm" / "1.jobs")
    say("the batch script of all jobs, with the needs of the first, and that job's line in its list:")
    command = shlex.join(Task(sweeps.job_of(words), words, 0, "").command())
    console.print(script, command, sep="\n", markup=False, soft_wrap=True)


def _run_of(config: TrainingConfig, job: sweeps.Job) -> Run:
    """Return the run that has these settings, or the one to come, whose address has a ``*``."""
    identity, values = run_identity(config, {}), config.model_dump(mode="json")
    address = run_folder(config, None).with_name(f"seed={job.value('seed') or config.seed}")
    for run in map(Run, address.parents[1].glob(f"{address.parent.name}/{address.name}")):
        with suppress(UserError):  # one that has to be completed, as of an earlier version
            named = [[os.path.realpath(str(each.get(key))) for key in COMPARED] for each in (values, run.raw_config)]
            if identity.items() <= {**run.identity, "contents": {}}.items() and named[0] == named[1]:
                return run
    return Run(address)
