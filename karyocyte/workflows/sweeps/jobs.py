"""The jobs of one Hydra call: one in a single run, many in a multirun."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from karyocyte.common.cli import files_explained, heavy_imports, report_user_errors, warn
from karyocyte.common.errors import UserError
from karyocyte.common.preemption import watched
from karyocyte.composition.compose import check_config, explain_composition
from karyocyte.composition.named_files import check_files
from karyocyte.config.distributed import environment_rank
from karyocyte.config.overrides import (
    check_words,
    composition_flags,
    expand_home,
    is_multirun,
    overrides_outside,
    primary_typed,
    quote_text,
)
from karyocyte.runs import sweeps
from karyocyte.runs.sweeps import Job

_failed: list[Exception] = []


@dataclass(frozen=True)
class Task:
    """A job that the launcher runs; ``name`` has the overrides that tell it from others, ``number`` counts from 0."""

    job: Job
    overrides: tuple[str, ...]
    number: int
    name: str

    @property
    def key(self) -> str:
        """Of the job."""
        return self.job.key

    @property
    def command(self) -> tuple[str, ...]:
        """The command that runs the job alone, by the script that runs now.

        ``sweep`` is left out: it would start all the jobs again.
        """
        script = Path(sys.argv[0]).resolve()
        return (sys.executable, str(script), *composition_flags(), *overrides_outside(self.overrides, ("sweep",)))

    def command_of(self, processes: int) -> tuple[str, ...]:
        """The command that runs the job alone in so many processes of this machine: those of torchrun, if several."""
        if processes == 1:
            return self.command
        # A port of its own for each job.
        torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
        return (sys.executable, *torchrun, *self.command[1:])


def fault_of(composed: DictConfig, weights: dict[str, str | None]) -> str | None:
    """Return what is wrong with a job as far as it can be known before any image is read; None where nothing is.

    ``weights`` has what was said of the weights of other jobs, and is added to: each is looked for once.
    """
    try:
        config = check_config(composed)
        check_files(composed, elsewhere=OmegaConf.select(composed, "cluster.name") == "slurm")
    except UserError as error:
        return str(error)
    asked = f"{config.weights} {config.model.model_dump_json()}"
    if config.weights != "random" and asked not in weights:
        with heavy_imports():
            from lightning_modules.backbones.find_weights import find_weights
            from lightning_modules.backbones.weights_folders import WeightsFolders
        weights[asked] = None
        try:
            find_weights(config.model, config.weights, WeightsFolders.from_config(config.weights_dir, config.cache_dir))
        except UserError as error:
            weights[asked] = str(error)
    return weights.get(asked)


@contextmanager
def job(kind: str = "run") -> Iterator[list[str]]:
    """Run a job's body: in a multirun its error is recorded, so that the other jobs go on.

    Yields the overrides that the user typed. ``kind`` is "run", or "search" for one that may be asked for more later.
    """
    hydra_config = HydraConfig.get()
    overrides = list(hydra_config.overrides.task)
    multirun = hydra_config.mode == RunMode.MULTIRUN
    first = environment_rank() == 0  # of the processes of a job
    try:
        with watched(first), sweeps.job_record(overrides, kind, first), files_explained():
            yield overrides
    except Exception as error:
        if multirun:  # the launcher reads the record, and says at the end what failed
            warn(f"this job failed: {error}")
            if not isinstance(error, UserError):
                traceback.print_exc()
        elif isinstance(error, UserError):
            job_failed(error)
        else:
            raise


def job_failed(error: Exception) -> None:
    """Note that a job has failed, for the end of the command line."""
    _failed.append(error)


@contextmanager
def command_line() -> Iterator[None]:
    """Call Hydra's main within: every user's error, in any job, ends as one line on stderr and exit code 1."""
    # Hydra then lets errors through, instead of printing its own page about them.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    _failed.clear()
    with report_user_errors(), explain_composition(primary_typed()):
        check_words(sys.argv[1:])
        sys.argv = list(map(quote_text, map(expand_home, sys.argv)))
        yield
        if len(_failed) == 1 and not is_multirun():
            raise _failed[0]
        if _failed:
            raise UserError(f"{len(_failed)} of the jobs failed, see above")
