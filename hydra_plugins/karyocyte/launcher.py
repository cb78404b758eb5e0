"""The launcher, which Hydra imports at every start: what it does is in ``_multirun``."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from karyocyte.common.config.cluster import check_cluster


class KaryocyteLauncher(Launcher):
    """Runs the jobs of a sweep that are not done, on ``cluster`` or one after another; records how they end."""

    def __init__(self, cluster: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.cluster = cluster
        self.config: DictConfig
        self.hydra_context: HydraContext
        self.task_function: TaskFunction

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has composed."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run what is left of the sweep; the jobs' results lie in their folders."""
        from hydra_plugins.karyocyte._multirun import Multirun

        multirun = Multirun(check_cluster(self.cluster), self.hydra_context, self.task_function, self.config)
        multirun.run(job_overrides, initial_job_idx)
        return []
