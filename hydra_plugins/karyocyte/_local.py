"""Runs the jobs of a sweep on this machine, a few at a time, each with GPUs of its own where there are some."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.cli import console, say
from common.config.cluster import LocalConfig
from common.errors import UserError
from common.runs import sweeps
from common.text import counted
from workflows.sweeps.devices import COUNTING, VARIABLE, DevicePool, find_gpus
from workflows.sweeps.jobs import Task

POLL_SECONDS = 0.1
JOBS_ON_CORES = 2  # at a time, of jobs without a GPU


@dataclass(frozen=True)
class Running:
    """A job's process, and the GPUs that it has."""

    process: "subprocess.Popen[bytes]"
    gpus: tuple[str, ...]


class LocalJobs:
    """The jobs of the sweep in a folder, on this machine; what each prints goes into ``logs/`` of the folder."""

    def __init__(self, cluster: LocalConfig, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.pool = DevicePool(find_gpus(), cluster.jobs_per_gpu)
        self.running: dict[Task, Running] = {}
        self.at_a_time = JOBS_ON_CORES

    def run(self, tasks: Sequence[Task], needs: Sequence[LocalConfig]) -> None:
        """Run tasks, each with what it needs, and wait for all; Ctrl-C is passed on to them.

        Raises:
            UserError: A task needs more GPUs than there are; none is started.
        """
        need_of = dict(zip(tasks, needs, strict=True))
        for task in tasks:
            self._check_need(task, need_of[task])
        self.at_a_time = self._jobs_at_a_time(needs)
        if any(self._gpus_of(need) for need in needs):
            say(f"GPU {', '.join(self.pool.gpus)}: {counted(self.at_a_time, 'job')} at a time")
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        try:
            self._run_all(need_of)
        finally:
            for running in self.running.values():
                running.process.send_signal(signal.SIGINT)
            for running in self.running.values():
                running.process.wait()

    def _run_all(self, need_of: Mapping[Task, LocalConfig]) -> None:
        # Those of several GPUs first: later they would wait until so many are free at once.
        waiting = sorted(need_of, key=lambda task: -self._gpus_of(need_of[task]))
        while waiting or self.running:
            for task in list(waiting):
                if self._start(task, need_of[task]):
                    waiting.remove(task)
            time.sleep(POLL_SECONDS)
            for task in self._ended():
                status = sweeps.read_record(self.folder, task.key)["status"]
                number = len(need_of) - len(waiting) - len(self.running)
                console.print(f"{number}/{len(need_of)} {status}: {task.name}", markup=False, soft_wrap=True)

    def _gpus_of(self, need: LocalConfig) -> int:
        """How many GPUs a job gets; 0 where there is none, or where it asks for the CPU."""
        return need.devices if self.pool.gpus and need.wants_gpu else 0

    def _check_need(self, task: Task, need: LocalConfig) -> None:
        usable = len(self.pool.usable(need.devices))
        if self._gpus_of(need) > usable:
            whole = " that is not divided (MIG)" if usable < len(self.pool.gpus) else ""
            raise UserError(
                f"{task.name}: trainer.devices={need.devices}, but the jobs may use {counted(usable, 'GPU')}{whole}: "
                f"lower it, or name more in {VARIABLE}"
            )

    def _jobs_at_a_time(self, needs: Sequence[LocalConfig]) -> int:
        """As many as the GPUs take, and a few without one, but not more than the user says."""
        gpus = [self._gpus_of(need) for need in needs]
        of_gpus = [count for count in gpus if count]
        places = 0
        if of_gpus:
            places = min(self.pool.size // min(of_gpus), len(of_gpus))
        if len(of_gpus) < len(gpus):
            places += self.cluster.jobs or JOBS_ON_CORES
        return min(places, self.cluster.jobs or places)

    def _start(self, task: Task, need: LocalConfig) -> bool:
        """Start a job, unless too many run, or too few GPUs are free for it."""
        if len(self.running) >= self.at_a_time:
            return False
        count = self._gpus_of(need)
        on_cores = [running for running in self.running.values() if not running.gpus]
        if not count and len(on_cores) >= (self.cluster.jobs or JOBS_ON_CORES):
            return False
        gpus = self.pool.take(count)
        if gpus is None:
            return False
        command = task.command_of(need.devices)
        with open(self.folder / "logs" / f"{task.key}.log", "a") as log:
            process = subprocess.Popen(command, env=self._environment(need, gpus), stdout=log, stderr=log)
        self.running[task] = Running(process, gpus)
        return True

    def _environment(self, need: LocalConfig, gpus: Sequence[str]) -> dict[str, str]:
        """The environment of a job: its share of the cores, and its GPUs, the only ones that it sees."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = max(1, cores // self.at_a_time // need.devices)
        environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
        if self.pool.gpus:
            counting = {} if VARIABLE in os.environ else COUNTING
            environment = {**counting, **environment, VARIABLE: ",".join(gpus)}
        return environment

    def _ended(self) -> list[Task]:
        """Take the jobs that have ended off the list, and return them."""
        ended = [task for task, running in self.running.items() if running.process.poll() is not None]
        for task in ended:
            self.pool.give_back(self.running.pop(task).gpus)
        return ended
