"""One job after another, in this process."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.singleton import Singleton
from hydra_plugins.hydra_joblib_launcher._core import execute_job
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool

from common.cli import console, warn
from common.config.cluster import LocalConfig
from common.sweeps import records as sweeps
from hydra_plugins.karyocyte._tasks import Context, Task


class HereBackend:
    """Hydra's own launcher, one call for each job."""

    def __init__(self, context: Context) -> None:
        self.launcher = BasicLauncher()
        self.launcher.setup(hydra_context=context.hydra, task_function=context.function, config=context.config)

    def check(self) -> None:
        """There is nothing to check."""

    def run(self, folder: Path, tasks: Sequence[Task]) -> None:
        """Run the tasks in their order; an error of one is recorded, and the next begins."""
        for task in tasks:
            returned = self.launcher.launch([list(task.overrides)], task.number)
            _ = [each.return_value for each in returned]  # raises what the job has raised


class LocalBackend:
    """Jobs of Hydra's joblib launcher, each with a log file of its own."""

    def __init__(self, settings: LocalConfig, context: Context) -> None:
        self.settings = settings
        self.context = context

    def check(self) -> None:
        """There is nothing to check."""

    def run(self, folder: Path, tasks: Sequence[Task]) -> None:
        """Run the tasks, ``cluster.jobs`` of them at a time; what their processes print goes into logs/."""
        left = list(tasks)
        while left:
            before = {task: _attempts(folder, task) for task in left}
            try:
                self._run_pool(folder, left)
                return
            except BrokenProcessPool:  # joblib ends all processes when one is killed
                warn("a process was killed, and those beside it had to end with it")
            untouched = [task for task in left if _attempts(folder, task) == before[task]]
            # those that had begun are the launcher's to repeat
            if len(untouched) < len(left):
                left = untouched
            else:
                left = []

    def _run_pool(self, folder: Path, tasks: Sequence[Task]) -> None:
        pool = Parallel(n_jobs=self.settings.jobs, backend="loky", batch_size=1, return_as="generator_unordered")
        state = Singleton.get_state()
        done = pool(delayed(_run_task)(folder, task, self.context, state) for task in tasks)
        names = {task.job.key: task.name for task in tasks}
        for number, key in enumerate(done, 1):
            status = sweeps.read_record(folder, key)["status"]
            console.print(f"{number}/{len(tasks)} {status}: {names[key]}", markup=False, soft_wrap=True)


def _attempts(folder: Path, task: Task) -> int:
    return sweeps.read_record(folder, task.job.key).get("attempts", 0)


def _run_task(folder: Path, task: Task, context: Context, state: dict[Any, Any]) -> str:
    """Run one task in a process of joblib's; return the key of its job."""
    os.environ[sweeps.VARIABLE] = str(folder)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    with open(folder / "logs" / f"{task.job.key}.log", "a", buffering=1) as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())
    execute_job(task.number, task.overrides, context.hydra, context.config, context.function, state)
    return task.job.key
