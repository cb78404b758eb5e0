"""Times the start of a Python process, group by group; Python imports this file where its folder is on PYTHONPATH.

Nothing of the code that is timed knows of it: `python train.py` runs as it always does, here or in a Slurm job. Every
moment counts for one group, the innermost that is open: the import of a module, or one of the functions below.
With the first training batch, what was counted is written to the folder $KARYOCYTE_STARTUP.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = os.environ.get("KARYOCYTE_STARTUP")
LIBRARIES = {
    "torch": "torch",
    "timm": "timm",
    "pytorch_lightning": "Lightning",
    "lightning_fabric": "Lightning",
    "torchmetrics": "Lightning",  # which imports it, whole
    "hydra": "Hydra",
    "albumentations": "albumentations",
}
OURS = ("common", "datamodules", "lightning_modules", "evaluation", "hydra_plugins", "train")
# What is timed beside imports: "module:function" -> the group.
FUNCTIONS = {
    "datamodules.image_datamodule:ImageDataModule.inspect": "inspect",
    "datamodules.image_datamodule:ImageDataModule.prepare": "prepare",
    "lightning_modules.build:build_classifier": "build",
    "pytorch_lightning.trainer.trainer:Trainer.__init__": "trainer",
    "pytorch_lightning.trainer.trainer:Trainer.fit": "first batch",
}
LAST = "lightning_modules.classifier:Classifier.training_step"


class Watch:
    """A stack of groups; the time since the last change counts for the one on top.

    Attributes:
        spent: Seconds of wall and of CPU time by group.
    """

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self.stack = ["compose"]
        self.last = self._now()
        self.started, self.python = _process_start(), time.time()

    def enter(self, group: str) -> None:
        """From here on the time counts for ``group``."""
        self._charge()
        self.stack.append(group)

    def leave(self) -> None:
        """From here on the time counts for the group before."""
        self._charge()
        self.stack.pop()

    def finish(self) -> None:
        """Write what was counted, the imported modules and the moments, seconds since the epoch."""
        self._charge()
        now = time.time()
        cpu = time.process_time()
        groups = {"python": [self.python - self.started, cpu - sum(spent[1] for spent in self.spent.values())]}
        facts = {
            "started": self.started,
            "first_batch": now,
            "cpu": cpu,
            "groups": groups | self.spent,
            "modules": sorted(sys.modules),
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
        }
        write(f"start-{os.getpid()}.json", facts)
        if os.environ.get("KARYOCYTE_STARTUP_STOP"):
            os._exit(0)

    def _charge(self) -> None:
        now = self._now()
        spent = self.spent.setdefault(self.stack[-1], [0.0, 0.0])
        for clock in (0, 1):
            spent[clock] += now[clock] - self.last[clock]
        self.last = now

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


class TimedImports:
    """The first finder of ``sys.meta_path``: finds as the others do, and has every module's execution timed."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.wrapped: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Ask the other finders, in their order."""
        for finder in sys.meta_path:
            if finder is self:
                found = None
            else:
                found = finder.find_spec(name, path, target)
            if found is not None:
                if isinstance(found.loader, SourceFileLoader | ExtensionFileLoader):
                    found.loader.exec_module = self._timed(name, found.loader.exec_module)
                return found
        return None

    def _timed(self, name: str, execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        def timed(module: ModuleType) -> None:
            self.watch.enter(self._group(name))
            try:
                execute(module)
            finally:
                self.watch.leave()
            self._wrap_functions(module)

        return timed

    def _group(self, name: str) -> str:
        """The library, or Karyocyte; a module of another package counts for the library that imports it."""
        package = name.partition(".")[0]
        if package in OURS:
            return "our modules"
        above = self.watch.stack[-1]
        return LIBRARIES.get(package) or (above if above in LIBRARIES.values() else "other libraries")

    def _wrap_functions(self, module: ModuleType) -> None:
        for place, group in [*FUNCTIONS.items(), (LAST, "")]:
            name, _, attribute = place.partition(":")
            if name == module.__name__ and place not in self.wrapped:
                self.wrapped.add(place)
                *owners, last = attribute.split(".")
                if owners:
                    owner = getattr(module, owners[0])
                else:
                    owner = module
                setattr(owner, last, self._counted(getattr(owner, last), group))

    def _counted(self, function: Callable, group: str) -> Callable:
        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if not group:
                finish_once(self.watch)
                return function(*args, **kwargs)
            self.watch.stack[0] = "rest"  # what is composed is composed
            self.watch.enter(group)
            try:
                return function(*args, **kwargs)
            finally:
                self.watch.leave()

        return counted


def finish_once(watch: Watch, _done: list[bool] = []) -> None:  # noqa: B006 - remembers over the calls
    """Finish with the first call; later ones do nothing."""
    if not _done:
        _done.append(True)
        watch.finish()


def write(name: str, facts: dict[str, Any]) -> None:
    """Write a JSON file into the folder, whole or not at all."""
    temporary = Path(FOLDER, f".{name}")
    temporary.write_text(json.dumps(facts))
    temporary.rename(Path(FOLDER, name))


def note_submission(event: str, arguments: tuple) -> None:
    """Note when sbatch is called: an audit hook."""
    if event == "subprocess.Popen" and Path(str(arguments[0])).name == "sbatch":
        write(f"submit-{time.time_ns()}.json", {"submitted": time.time()})


def _process_start() -> float:
    """When the process began, seconds since the epoch; to 10 ms, as Linux counts."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return time.time()
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


if FOLDER:
    WATCH = Watch()
    sys.meta_path.insert(0, TimedImports(WATCH))
    sys.addaudithook(note_submission)
