"""A study of Optuna that several processes share through one database, and the trials of processes that died."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from karyocyte.common.locks import file_lock
from karyocyte.common.seeds import derive_seed
from karyocyte.workflows.sweeps.tuning.settings import DimensionConfig, SearchConfig

Direction = Literal["minimize", "maximize"]
RETRIES = 2  # of one trial: a process that dies each time does not die by chance
LOCKED = 60  # seconds to wait while another process writes the database

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used with Study.optimize")


class SharedStudy:
    """One process's view of a study in a database, which is made where it is missing.

    Trials are claimed under one lock, so that all processes together run as many as wanted. They may be on several
    machines where the file system passes locks: NFS from version 4, Lustre mounted with ``flock``, GPFS, BeeGFS.
    A trial whose process died is repeated once its heartbeat is older than ``search.heartbeat_seconds``.
    """

    def __init__(self, database: Path, name: str, search: SearchConfig, direction: Direction) -> None:
        self.search = search
        self._claims = file_lock(Path(f"{database}.claims"))
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if search.pruner.name != "none":
            pruner = optuna.pruners.MedianPruner(search.pruner.startup_trials, search.pruner.warmup_epochs)
        with self._claims:
            storage = RDBStorage(
                f"sqlite:///{database.resolve()}",
                {"connect_args": {"timeout": LOCKED}},
                heartbeat_interval=max(1, search.heartbeat_seconds // 5),
                grace_period=search.heartbeat_seconds,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(RETRIES),
            )
            self.study = optuna.create_study(
                storage=storage, study_name=name, direction=direction, pruner=pruner, load_if_exists=True
            )

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials of all processes, in their order."""
        return self.study.get_trials(deepcopy=False)

    def claim(self) -> optuna.Trial | None:
        """Return the next trial with its values drawn, or None where there are enough.

        Trials of dead processes are repeated first. The values are a function of the search's seed and of the trials
        before: it does not matter how often the search was interrupted.
        """
        with self._claims:
            fail_stale_trials(self.study)
            trials = self.trials
            count = len(trials) - len(repeated_trials(trials))
            if count >= self.search.trials and not self.study.get_trials(False, (TrialState.WAITING,)):
                return None
            self.study.sampler = _sampler(self.search, count)
            return self.study.ask({key: _distribution(space) for key, space in self.search.space.items()})

    def give_back(self, trial: optuna.Trial, message: str) -> None:
        """End a trial that is not to blame for its end; its values are tried again at the next claim."""
        trial.set_user_attr("message", message)
        self.study.tell(trial, state=TrialState.FAIL)
        RetryHeartbeatStaleTrialCallback()(self.study, self.trials[trial.number])


def repeated_trials(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the trials that ended with their process, or by hand, and are repeated by other ones."""
    return set().union(*map(RetryHeartbeatStaleTrialCallback.retry_history, trials))


def _distribution(dimension: DimensionConfig) -> BaseDistribution:
    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    assert dimension.low is not None
    assert dimension.high is not None
    if isinstance(dimension.low, int) and isinstance(dimension.high, int):
        return IntDistribution(dimension.low, dimension.high, log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _sampler(search: SearchConfig, trials: int) -> optuna.samplers.BaseSampler:
    """A sampler for one trial, seeded by the number of trials before: two processes never draw the same numbers."""
    seed = derive_seed("search", search.seed, trials) % 2**32  # numpy's older generator takes 32 bits
    if search.sampler == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=search.startup_trials)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=search.startup_trials)
