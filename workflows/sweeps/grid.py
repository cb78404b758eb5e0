"""The jobs of a command line, composed and checked, without running any."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from common.compat import expand_sweep
from common.config.compose import check_config, check_override_order, explain_composition
from common.config.search import take_search
from common.paths import ROOT
from workflows.tuning.space import check_space


@dataclass(frozen=True)
class Grid:
    """A command line, expanded into jobs.

    Attributes:
        composed: What the jobs have in common, with Hydra's own node.
        jobs: The overrides of each job, in their order.
        loader: Hydra's, for the jobs.
    """

    composed: DictConfig
    jobs: tuple[tuple[str, ...], ...]
    loader: ConfigLoader

    def job_config(self, job: Sequence[str]) -> DictConfig:
        """Return what Hydra composes for a job, without its own node.

        Raises:
            UserError: The job cannot be composed.
        """
        with explain_composition():
            composed = self.loader.load_sweep_config(self.composed, list(job))
        with open_dict(composed):
            del composed["hydra"]
        return composed


@contextmanager
def grid(typed: Sequence[str], multirun: bool = False) -> Iterator[Grid]:
    """Expand a command line as Hydra's sweeper does: the sweep file's parameters first, then what is typed.

    Args:
        typed: The overrides.
        multirun: Whether ``-m`` is typed beside them; a sweep file asks for many runs by itself.

    Raises:
        UserError: The command line cannot be read or composed.
    """
    with explain_composition(), initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        composed = loader.load_configuration("train", list(typed), RunMode.MULTIRUN, validate_sweep_overrides=False)
        if multirun or composed.hydra.mode == RunMode.MULTIRUN:
            swept = [f"{key}={value}" for key, value in (composed.hydra.sweeper.params or {}).items()]
            jobs = tuple(expand_sweep([*swept, *typed]))
        else:  # once more: several values of a key are then an error
            composed = loader.load_configuration("train", list(typed), RunMode.RUN)
            jobs = (tuple(typed),)
        yield Grid(composed, jobs, loader)


def check_job(job: Sequence[str], composed: DictConfig) -> str:
    """Check a job as the program that runs it would; return that program: train.py or scripts/tune.py.

    Raises:
        UserError: It would refuse the job.
    """
    check_override_order(job)
    if "search" not in composed:
        check_config(composed)
        return "train.py"
    check_space(*take_search(composed))
    return "scripts/tune.py"
