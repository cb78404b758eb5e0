"""A multirun: which jobs of a sweep are left, where they run, and the summary at the end."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from karyocyte.common.cli import INTERRUPTED, console, say, warn
from karyocyte.common.compat import run_in_process
from karyocyte.common.errors import UserError
from karyocyte.composition.compose import compose_job
from karyocyte.config.cluster import SWEEP_VARIABLE, ClusterConfig, SlurmConfig, check_cluster, check_devices
from karyocyte.config.overrides import primary_typed
from karyocyte.runs import sweeps
from karyocyte.runs.lifecycle import locked
from karyocyte.runs.sweeps import Job, Sweep
from karyocyte.workflows.sweeps.jobs import failures
from karyocyte.workflows.sweeps.tasks import Task, fault_of

VANISHED = "its process ended without a status (killed, out of memory, over its time limit, or its node is gone)"
ALIKE = re.compile(r"\+*(sweep=.*|(seed|split\.fold)=\d+)")  # overrides of jobs that are composed and checked once


@dataclass
class Multirun:
    """Runs the jobs of a sweep that are not done, on ``cluster`` or one after another; records how they end.

    The others are what Hydra hands to a launcher.
    """

    cluster: ClusterConfig
    hydra_context: HydraContext
    task_function: TaskFunction
    config: DictConfig
    composed: dict[tuple[str, ...], DictConfig] = field(default_factory=dict)

    def check_machine(self) -> None:
        """Refuse to start jobs in each process of torchrun, and on a machine without the Slurm that is asked for."""
        if "TORCHELASTIC_RUN_ID" in os.environ:
            raise UserError("-m under torchrun: each process would start all jobs: take +cluster=slurm, or no -m")
        if isinstance(self.cluster, SlurmConfig):
            from karyocyte.workflows.sweeps.slurm import check_slurm

            check_slurm()

    def run(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> None:
        """Run what is left of the sweep; the jobs' results lie in their folders."""
        tasks = _tasks(job_overrides, initial_job_idx)
        jobs = tuple(task.job for task in tasks)
        name = sweeps.sweep_name(tasks[0].overrides, primary_typed())
        output_dir = Path(self.config.output_dir).expanduser().resolve()
        folder = sweeps.sweep_folder(output_dir, name, jobs)
        status_command = f"python scripts/sweep_status.py {folder}"
        left = [task for task in tasks if not sweeps.is_done(folder, task.job.key)]
        for task in left:  # what contradicts is refused before the folder is made
            self._composed(task)
        with locked(folder, f"another command runs this very sweep: {status_command}"):
            sweeps.write_sweep(folder, Sweep(jobs, self.cluster.name, tuple(sys.argv)))
            left = [task for task in tasks if not sweeps.is_done(folder, task.job.key)]
            if len(left) < len(tasks):
                say(f"{len(tasks) - len(left)} of {len(tasks)} jobs are done already")
            if len(tasks) > 1:
                say(str(folder), f"status: {status_command}")
            left = self._checked(folder, left)
            os.environ[SWEEP_VARIABLE] = str(folder)
            try:
                self._run_all(folder, left)
            finally:
                del os.environ[SWEEP_VARIABLE]
            _summarise(folder, tasks)

    def _run_all(self, folder: Path, tasks: Sequence[Task]) -> None:
        """Run tasks, and those again whose process died without a status, up to ``retries`` times."""
        for task in tasks:  # an older end is none of this attempt
            if sweeps.has_ended(folder, task.job.key):
                sweeps.write_record(folder, task.job, status="waiting", error=None, slurm_job=None)
        left = list(tasks)
        try:
            for attempt in range(self.cluster.retries + 1):
                self._run_once(folder, left)
                left = [task for task in left if not sweeps.has_ended(folder, task.job.key)]
                for task in left:
                    sweeps.write_record(folder, task.job, status="lost", error=VANISHED)
                    again = "; it is run again" if attempt < self.cluster.retries else ""
                    warn(f"{task.name}: {VANISHED}{again}")
        except KeyboardInterrupt:
            for task in left:
                if sweeps.read_record(folder, task.job.key)["status"] == "running":
                    sweeps.write_record(folder, task.job, status="interrupted")
            warn("interrupted: the same command goes on with what is missing")
            raise SystemExit(INTERRUPTED) from None

    def _run_once(self, folder: Path, tasks: Sequence[Task]) -> None:
        if self.cluster.name == "none" or not tasks:
            for task in tasks:
                run_in_process(self.hydra_context, self.task_function, self.config, task.overrides, task.number)
            return
        # What each task asks of the cluster.
        needs: list[Any] = [check_cluster(self._composed(task).cluster) for task in tasks]
        if self.cluster.name == "slurm":
            from hydra_plugins.karyocyte._slurm import SlurmJobs

            SlurmJobs(self.cluster, folder).run(tasks, needs)
        else:
            from hydra_plugins.karyocyte._local import LocalJobs

            LocalJobs(self.cluster, folder).run(tasks, needs)

    def _checked(self, folder: Path, tasks: Sequence[Task]) -> list[Task]:
        """Return the tasks that may begin; those whose keys, files or weights are wrong fail before any begins."""
        faults: dict[tuple[str, ...], str | None] = {}
        weights: dict[str, str | None] = {}
        for task in tasks:
            words = _words(task)
            if words not in faults:
                faults[words] = fault_of(self._composed(task), weights)
            if fault := faults[words]:
                sweeps.write_record(folder, task.job, status="failed", error=fault)
        warn(*(f"jobs that cannot begin: {fault}" for fault in dict.fromkeys(filter(None, faults.values()))))
        return [task for task in tasks if not faults[_words(task)]]

    def _composed(self, task: Task) -> DictConfig:
        """Return what Hydra composes for a task, checked with the cluster; it takes a sixth of a second, once."""
        words = _words(task)
        if words not in self.composed:
            composed = compose_job(self.hydra_context.config_loader, self.config, words, primary_typed())
            with open_dict(composed):
                composed.pop("search", None)  # scripts/tune.py checks its own
            check_devices(composed)
            self.composed[words] = composed
        return self.composed[words]


def _words(task: Task) -> tuple[str, ...]:
    """The overrides of a task without those that change neither what it needs nor whether it can begin."""
    return tuple(word for word in task.overrides if not ALIKE.fullmatch(word))


def _tasks(job_overrides: Sequence[Sequence[str]], first: int) -> list[Task]:
    """The tasks, each job once: jobs that differ in where they run alone are one job."""
    jobs = list(map(sweeps.job_of, job_overrides))
    names = sweeps.names(list(dict.fromkeys(jobs)))
    tasks: dict[Job, Task] = {}
    for number, (job, overrides) in enumerate(zip(jobs, job_overrides, strict=True), first):
        tasks.setdefault(job, Task(job, tuple(overrides), number, names[job.key]))
    return list(tasks.values())


def _summarise(folder: Path, tasks: Sequence[Task]) -> None:
    """Print how the jobs have ended, and note for the exit code that some of them failed."""
    failed = 0
    for task in tasks:
        record = sweeps.read_record(folder, task.job.key)
        if record["status"] != "finished":
            failed += 1
            reason = str(record.get("error") or record["status"]).strip().partition("\n")[0]
            console.print("[red]failed[/red] ", end="")
            console.print(f"{task.name}: {reason}", markup=False, soft_wrap=True)
    if len(tasks) > 1:
        say(f"{len(tasks) - failed} of {len(tasks)} jobs are finished")
        if failed:
            say(f"{failed} failed: the same command runs what is missing, and nothing else")
        say(f"one table of them: python scripts/sweep_status.py {folder} --csv collected.csv")
    if failed:
        failures.append(UserError("jobs failed, see above"))
