"""The jobs of a multirun, as its launcher sees them: their commands, and what is wrong with them beforehand."""

import sys
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import check_config
from karyocyte.composition.named_files import check_files
from karyocyte.config.overrides import composition_flags, overrides_outside
from karyocyte.config.schema import TrainingConfig
from karyocyte.runs.sweeps import Job


@dataclass(frozen=True)
class Task:
    """A job that the launcher runs; ``name`` has the overrides that tell it from others, ``number`` counts from 0."""

    job: Job
    overrides: tuple[str, ...]
    number: int
    name: str

    def command(self, processes: int = 1) -> tuple[str, ...]:
        """Return the command that runs the job alone by the script that runs now, by torchrun in several processes.

        ``sweep`` is left out: it would start all the jobs again.
        """
        # Standalone: a port of its own for each job.
        torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
        words = (*composition_flags(), *overrides_outside(self.overrides, ("sweep",)))
        return (sys.executable, *torchrun * (processes > 1), str(Path(sys.argv[0]).resolve()), *words)


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
    if asked not in weights:
        weights[asked] = None
        try:
            check_weights(config)
        except UserError as error:
            weights[asked] = str(error)
    return weights[asked]


def check_weights(config: TrainingConfig) -> None:
    """Look for the weights that a training begins with, before any image is read; a ``UserError``: there are none."""
    if config.weights != "random":
        from lightning_modules.backbones.weights import find_weights
        from lightning_modules.backbones.weights_folders import WeightsFolders

        find_weights(config.model, config.weights, WeightsFolders.from_config(config))
