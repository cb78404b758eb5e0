"""What passes between the launcher and those that run its jobs."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from common.paths import ROOT
from common.sweeps.records import Job

INTERRUPTED = 130  # the exit code after Ctrl-C


@dataclass(frozen=True)
class Task:
    """A job as Hydra hands it over.

    Attributes:
        job: Which it is.
        overrides: All that is typed for it.
        number: Its place in the sweep, from 0.
        name: What tells it from the others, for messages.
    """

    job: Job
    overrides: tuple[str, ...]
    number: int
    name: str


@dataclass(frozen=True)
class Context:
    """What Hydra has composed, and what each job calls.

    Attributes:
        hydra: Composes the configuration of each job.
        config: Of the multirun itself.
        function: The task, such as train.py's main.
    """

    hydra: HydraContext
    config: DictConfig
    function: TaskFunction


@dataclass(frozen=True)
class Entry:
    """A script's main function for another process: what belongs to ``__main__`` cannot be sent there.

    Attributes:
        module: The script as a module below the checkout, such as "train" or "scripts.tune".
        name: The function that Hydra's decorator wraps.
    """

    module: str
    name: str

    def __call__(self, config: DictConfig) -> Any:
        """Run the job; a decorated function takes a ready configuration as it is."""
        return getattr(import_module(self.module), self.name)(config)

    @classmethod
    def of(cls, function: TaskFunction) -> "Entry":
        """Return the entry of the script that runs now."""
        module = function.__module__
        if module == "__main__":
            script = Path(sys.modules["__main__"].__file__ or "").resolve().relative_to(ROOT)
            module = ".".join(script.with_suffix("").parts)
        return cls(module, function.__name__)


class Backend(Protocol):
    """Runs jobs somewhere."""

    def check(self) -> None:
        """Check that jobs can be run at all, before anything is written."""

    def run(self, folder: Path, tasks: Sequence[Task]) -> None:
        """Run the tasks of the sweep in ``folder``, and return when each of them has ended."""
