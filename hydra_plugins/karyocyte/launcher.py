"""The launcher, which Hydra imports at every start: what it does is in ``_multirun``."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from karyocyte.config.cluster import check_cluster


class KaryocyteLauncher(Launcher):
    """Runs the jobs of a sweep that are not done, on ``cluster`` or one after another; records how they end."""

    def __init__(self, cluster: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.cluster = cluster

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has composed, and refuse a file or a machine that is wrong before Hydra composes each job."""
        from hydra_plugins.karyocyte._multirun import Multirun
        from karyocyte.composition.compose import check_sweep_files

        check_sweep_files(hydra_context.config_loader, config)
        self.multirun = Multirun(check_cluster(self.cluster), hydra_context, task_function, config)
        self.multirun.check_machine()

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run what is left of the sweep; the jobs' results lie in their folders."""
        self.multirun.run(job_overrides, initial_job_idx)
        return []
