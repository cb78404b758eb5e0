"""Runs the jobs of a sweep on this machine, a few at a time, each with GPUs of its own where there are some."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.common.locks import is_locked
from karyocyte.common.system import end_with_parent, processors
from karyocyte.common.text import counted
from karyocyte.config.cluster import LocalConfig
from karyocyte.runs import sweeps
from karyocyte.runs.files import RunFile
from karyocyte.workflows.sweeps.tasks import Task

POLL_SECONDS = 0.1
JOBS_ON_CORES = 2  # at a time, on a machine without a GPU
VARIABLE = "CUDA_VISIBLE_DEVICES"
NO_DEVICE = ("", "-1", "NoDevFiles")  # what schedulers write for none
PATIENCE = 60  # seconds to wait for nvidia-smi, which may have to load the driver


class LocalJobs:
    """The jobs of the sweep in a folder, on this machine; what each prints goes into ``logs/`` of the folder."""

    def __init__(self, cluster: LocalConfig, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.gpus = find_gpus()
        self.free = list(self.gpus)
        self.running: dict[Task, tuple[subprocess.Popen[bytes], list[str]]] = {}  # its process and its GPUs
        self.at_a_time = cluster.jobs or JOBS_ON_CORES

    def run(self, tasks: Sequence[Task], needs: Sequence[LocalConfig]) -> None:
        """Run tasks, each with what it needs, and wait for all; Ctrl-C is passed on to them."""
        counts = list(map(self._gpus_of, needs))
        for task, count in zip(tasks, counts, strict=True):
            if count > len(self.gpus):
                raise UserError(
                    f"{task.name}: trainer.devices={count}, but the jobs may use {counted(len(self.gpus), 'GPU')}: "
                    f"lower it, or name more in {VARIABLE}"
                )
        if any(counts):
            fitting = len(self.gpus) // min(filter(None, counts))
            self.at_a_time = min(fitting, len(tasks), self.cluster.jobs or fitting)
            say(f"GPU {', '.join(self.gpus)}: {counted(self.at_a_time, 'job')} at a time")
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        try:
            self._run_all(dict(zip(tasks, needs, strict=True)))
        finally:
            for process, _ in self.running.values():
                process.send_signal(signal.SIGINT)
            for process, _ in self.running.values():
                # Where Ctrl-C came within its poll(), the lock for which process.wait() waits is never given back.
                with suppress(ChildProcessError):
                    os.waitpid(process.pid, 0)

    def _run_all(self, need_of: dict[Task, LocalConfig]) -> None:
        # Those of several GPUs first: later they would wait until so many are free at once.
        waiting = sorted(need_of, key=lambda task: -self._gpus_of(need_of[task]))
        while waiting or self.running:
            for task in list(waiting):
                if self._start(task, need_of[task]):
                    waiting.remove(task)
            time.sleep(POLL_SECONDS)
            for task, (process, gpus) in list(self.running.items()):
                if process.poll() is not None:
                    del self.running[task]
                    self.free = sorted({*self.free, *gpus}, key=self.gpus.index)
                    status = sweeps.read_record(self.folder, task.job.key)["status"]
                    number = len(need_of) - len(waiting) - len(self.running)
                    console.print(f"{number}/{len(need_of)} {status}: {task.name}", markup=False, soft_wrap=True)

    def _gpus_of(self, need: LocalConfig) -> int:
        """How many GPUs a job gets; 0 where there is none, or where it asks for the CPU."""
        return need.devices if self.gpus and need.accelerator in ("auto", "gpu", "cuda") else 0

    def _start(self, task: Task, need: LocalConfig) -> bool:
        """Start a job, unless too many run, too few GPUs are free for it, or that of a killed launcher still ends."""
        count = self._gpus_of(need)
        earlier = sweeps.run_of(self.folder, sweeps.read_record(self.folder, task.job.key))
        if earlier and earlier.folder.is_dir() and is_locked(earlier.path(RunFile.LOCK)):
            return False
        if len(self.running) >= self.at_a_time or len(self.free) < count:
            return False
        gpus, self.free = self.free[:count], self.free[count:]
        with open(self.folder / "logs" / f"{task.job.key}.log", "a") as log:
            process = subprocess.Popen(
                task.command(need.devices),
                env=self._environment(need, gpus),
                preexec_fn=end_with_parent,
                stdout=log,
                stderr=log,
            )
        self.running[task] = (process, gpus)
        return True

    def _environment(self, need: LocalConfig, gpus: Sequence[str]) -> dict[str, str]:
        """The environment of a job: its share of the cores, and its GPUs, the only ones that it sees."""
        threads = max(1, processors() // self.at_a_time // need.devices)
        environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
        if self.gpus:
            environment[VARIABLE] = ",".join(gpus)
        return environment


def find_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the GPUs that this process may use: those that CUDA_VISIBLE_DEVICES names, else all, by their numbers."""
    try:
        listed = subprocess.run(("nvidia-smi", "-L"), capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):  # no driver, or one that does not answer
        return ()
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    named = environment.get(VARIABLE)
    if named is None or not count:
        return tuple(map(str, range(count)))
    return tuple(name for name in map(str.strip, named.split(",")) if name not in NO_DEVICE)
