"""The launcher: the sweep's folder, which jobs are left, who runs them, and the summary at the end."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from common.cli import console, say, warn
from common.config.cluster import ClusterConfig, LocalConfig, SlurmConfig, check_cluster
from common.errors import UserError
from common.paths import ROOT
from common.runs.lifecycle import locked
from common.sweeps import records as sweeps
from common.sweeps.jobs import job_failed
from common.sweeps.records import Job, Sweep
from hydra_plugins.karyocyte._tasks import INTERRUPTED, Backend, Context, Entry, Task

VANISHED = "its process ended without a word (killed, out of memory, or its node is gone)"


class KaryocyteLauncher(Launcher):
    """Runs the jobs of a sweep that are not done, records how they end, and sums up.

    Args:
        cluster: The ``cluster`` node of the configuration; None where none was chosen.
    """

    def __init__(self, cluster: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.cluster = cluster
        self.config: DictConfig
        self.hydra_context: HydraContext
        self.task_function: TaskFunction

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has composed."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run what is left of the sweep; the jobs' results lie in their folders.

        Raises:
            UserError: A key of the cluster is wrong, or the cluster takes no jobs.
        """
        if "TORCHELASTIC_RUN_ID" in os.environ:
            raise UserError("-m under torchrun: each process would start all jobs: take +cluster=slurm, or no -m")
        if OmegaConf.is_config(self.cluster):
            values = OmegaConf.to_container(self.cluster)
        else:
            values = self.cluster
        settings = check_cluster(values)
        backend = _backend(settings, Context(self.hydra_context, self.config, self.task_function))
        backend.check()
        tasks = _tasks(job_overrides, initial_job_idx)
        jobs = tuple(task.job for task in tasks)
        sweep = Sweep(
            name=sweeps.sweep_name(tasks[0].overrides),
            jobs=jobs,
            cluster=settings.name,
            command=tuple(sys.argv),
            output_dir=str(Path(self.config.output_dir).resolve()),
        )
        folder = sweeps.sweep_folder(Path(sweep.output_dir), sweep.name, jobs)
        see = f"python scripts/sweep_status.py {folder} shows how it goes"
        with locked(folder, f"another command runs this very sweep: {see}"):
            sweeps.write_sweep(folder, sweep)
            self._run(backend, settings.retries, folder, tasks)
        return []

    def _run(self, backend: Backend, retries: int, folder: Path, tasks: Sequence[Task]) -> None:
        """Run what is left of the tasks, and sum up."""
        left = [task for task in tasks if not sweeps.is_done(folder, task.job.key)]
        if len(left) < len(tasks):
            say(f"{len(tasks) - len(left)} of {len(tasks)} jobs are done already")
        if len(tasks) > 1:
            say(str(folder), "how it goes: python scripts/sweep_status.py --watch 5 " + str(folder))
        try:
            with _environment(folder):
                _run_again(backend, retries, folder, left)
        except KeyboardInterrupt:
            for task in left:  # joblib ends its processes before they can say so themselves
                if sweeps.read_record(folder, task.job.key)["status"] == "running":
                    sweeps.write_record(folder, task.job.key, status="interrupted")
            warn("interrupted: the same command goes on with what is missing")
            raise SystemExit(INTERRUPTED) from None
        _sum_up(folder, tasks, left)


def _backend(settings: ClusterConfig, context: Context) -> Backend:
    """Who runs the jobs; imported here, since Hydra imports this module at every start."""
    elsewhere = replace(context, function=Entry.of(context.function))
    if isinstance(settings, SlurmConfig):
        from hydra_plugins.karyocyte._slurm import SlurmBackend

        return SlurmBackend(settings, elsewhere)
    if isinstance(settings, LocalConfig):
        from hydra_plugins.karyocyte._local import LocalBackend

        return LocalBackend(settings, elsewhere)
    from hydra_plugins.karyocyte._local import HereBackend

    return HereBackend(context)


def _tasks(job_overrides: Sequence[Sequence[str]], first: int) -> list[Task]:
    """The tasks, each job once: what differs in the keys of the cluster alone is one job."""
    found: dict[str, tuple[Job, Sequence[str], int]] = {}
    for number, overrides in enumerate(job_overrides, first):
        job = sweeps.job_of(overrides)
        found.setdefault(job.key, (job, overrides, number))
    names = sweeps.names([job for job, _, _ in found.values()])
    return [Task(job, tuple(overrides), number, names[job.key]) for job, overrides, number in found.values()]


def _run_again(backend: Backend, retries: int, folder: Path, left: Sequence[Task]) -> None:
    """Run the tasks, and those again whose process died without a word, up to the retries."""
    if not left:
        return
    before = {task.job.key: sweeps.read_record(folder, task.job.key).get("updated") for task in left}
    for attempt in range(retries + 1):
        backend.run(folder, left)
        left = [task for task in left if not _has_ended(folder, task, before[task.job.key])]
        if not left:
            return
        again = attempt < retries
        for task in left:
            about = {"overrides": list(task.job.overrides), "error": VANISHED}
            sweeps.write_record(folder, task.job.key, status="lost", **about)
            warn(f"{task.name}: {VANISHED}" + ("; it is run again" if again else ""))


def _has_ended(folder: Path, task: Task, before: float | None) -> bool:
    """Whether a job has ended, well or not, in this call: an older failure was not of this call."""
    record = sweeps.read_record(folder, task.job.key)
    return record["status"] in sweeps.ENDED and record.get("updated") != before


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """Tell the jobs' processes their sweep's folder, and where the packages lie."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    told = {sweeps.VARIABLE: str(folder), "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _sum_up(folder: Path, tasks: Sequence[Task], left: Sequence[Task]) -> None:
    """Say how the jobs have ended, and note those that failed for the exit code."""
    records = {task: sweeps.read_record(folder, task.job.key) for task in tasks}
    bad = {task: _reason(record) for task, record in records.items() if record["status"] != "finished"}
    for task, reason in bad.items():
        job_failed(task.name, reason)
        console.print("[red]failed[/red] ", end="")
        console.print(f"{task.name}: {reason}", markup=False, soft_wrap=True)
    if len(tasks) == 1:
        return
    before = len(tasks) - len(left)
    search = any(word.lstrip("+").startswith("search=") for word in tasks[0].overrides)  # it has a table of its own
    say(
        f"{len(tasks) - len(bad)} of {len(tasks)} jobs are finished" + (f", {before} of them before" if before else ""),
        *([f"{len(bad)} failed: the same command runs what is missing, and nothing else"] if bad else []),
        *([] if search else [f"one table of them: python scripts/collect.py {folder}"]),
    )


def _reason(record: Mapping[str, Any]) -> str:
    text = str(record.get("error") or record["status"]).strip()
    if text:
        return text.splitlines()[0]
    return "no reason given"
