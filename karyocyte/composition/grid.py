"""Command lines of train.py expanded into jobs and their configurations, without running any."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from karyocyte.common.compat import expand_sweep
from karyocyte.common.paths import CONF
from karyocyte.composition.compose import check_config, check_sweep_files, compose_job, explain_composition
from karyocyte.composition.named_files import check_data_dir
from karyocyte.config.overrides import check_words, config_dir_typed, overrides_outside, quote_text
from karyocyte.config.schema import TrainingConfig

# Keys that change neither the images nor the weights.
UNIMPORTANT = ("sweep", "seed")


@dataclass(frozen=True)
class Grid:
    """A command line, expanded into jobs: what they share, with Hydra's own node, and the overrides of each."""

    composed: DictConfig
    jobs: tuple[tuple[str, ...], ...]
    loader: ConfigLoader
    primary: str  # configuration

    def job_config(self, job: tuple[str, ...], needs_data: bool = True) -> TrainingConfig:
        """Return the configuration of a job as train.py takes it; ``needs_data``: whether ``data_dir`` must exist."""
        composed = compose_job(self.loader, self.composed, job, self.primary)
        config = check_config(composed)
        if needs_data:
            check_data_dir(composed)
        return config


@contextmanager
def grid(typed: Sequence[str], primary: str = "train") -> Iterator[Grid]:
    """Expand a command line as Hydra's sweeper does: the sweep file's parameters first, then what is typed."""
    with explain_composition(primary), initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        folder = config_dir_typed()
        words = [*typed, *([f"hydra.searchpath=[file://{folder}]"] if folder else [])]
        composed = loader.load_configuration(primary, words, RunMode.MULTIRUN, validate_sweep_overrides=False)
        check_sweep_files(loader, composed)
        swept = [f"{key}={values}" for key, values in (composed.hydra.sweeper.params or {}).items()]
        yield Grid(composed, tuple(expand_sweep([*swept, *typed])), loader, primary)


def job_configs(overrides: Sequence[str], needs_data: bool = True, primary: str = "train") -> list[TrainingConfig]:
    """Return the configuration of each job of overrides as train.py takes them; those equal but for the seed once.

    ``needs_data``: whether ``data_dir`` must exist. A ``UserError`` names what cannot be read, or is not valid.
    """
    check_words(overrides)
    with grid(list(map(quote_text, overrides)), primary) as expanded:
        jobs = list(dict.fromkeys(overrides_outside(job, UNIMPORTANT) for job in expanded.jobs))
        return [expanded.job_config(job, needs_data) for job in jobs]
