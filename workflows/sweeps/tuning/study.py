"""A study of Optuna that several processes share through one database, and the trials of processes that died."""

import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from common.compat import optuna_heartbeat
from common.errors import UserError
from common.seeds import derive_seed
from workflows.sweeps.status import process_exists
from workflows.sweeps.tuning.settings import DimensionConfig, SearchConfig

HOST = os.environ.get("SLURMD_NODENAME") or socket.gethostname()  # two nodes of Slurm may share a machine, in tests
Direction = Literal["minimize", "maximize"]
ATTEMPTS = 3  # of one trial: a process that dies each time does not die by chance
POLL = 2.0  # seconds between two looks at the trial of another process
SQLITE = b"SQLite format 3\0"  # the first bytes of a database
LOCKED = 60  # seconds to wait while another process writes the database

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used with Study.optimize")


class SharedStudy:
    """One process's view of a study; use ``open_study``.

    Trials are claimed under one lock, so that the trials of all processes together are as many as wanted. The processes
    may be those of several machines, where the file system passes locks from one to another: NFS from version 4, Lustre
    mounted with ``flock`` (not ``localflock``), GPFS, BeeGFS with its remote locks switched on.

    A trial whose process died is repeated: at once where it ran on this machine, else once its heartbeat, which Optuna
    keeps, is older than ``search.heartbeat_seconds``.
    """

    def __init__(self, database: Path, name: str, search: SearchConfig, direction: Direction) -> None:
        self.search = search
        self.distributions = {key: _distribution(dimension) for key, dimension in search.space.items()}
        self._claims = FileLock(f"{database}.claims")
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if search.pruner.name != "none":
            pruner = optuna.pruners.MedianPruner(search.pruner.startup_trials, search.pruner.warmup_epochs)
        with self._claims:
            storage = RDBStorage(
                f"sqlite:///{database}",
                {"connect_args": {"timeout": LOCKED}},
                heartbeat_interval=max(1, search.heartbeat_seconds // 5),
                grace_period=search.heartbeat_seconds,
                heartbeat_stale_trial_callback=self._repeat_dead,
            )
            self._study = optuna.create_study(
                storage=storage, study_name=name, direction=direction, pruner=pruner, load_if_exists=True
            )

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials of all processes, in their order."""
        return self._study.get_trials(deepcopy=False)

    def claim(self) -> optuna.Trial | None:
        """Return the next trial with its values drawn, or None where there are enough.

        Trials of dead processes are repeated first. The values are a function of the search's seed and of the trials
        before: it does not matter how often the search was interrupted.
        """
        with self._claims:
            self._end_orphans()
            lost = repeated(self.trials)
            counted = [trial for trial in self.trials if trial.number not in lost]
            waiting = any(trial.state == TrialState.WAITING for trial in counted)
            if len(counted) >= self.search.trials and not waiting:
                return None
            self._study.sampler = _sampler(self.search, len(counted))
            trial = self._study.ask(self.distributions)
            trial.set_user_attr("host", HOST)
            trial.set_user_attr("pid", os.getpid())
            return trial

    @contextmanager
    def running(self, trial: optuna.Trial) -> Iterator[None]:
        """Keep up the heartbeat of a trial; first wait while another process trains the very same values.

        The one run can then serve both.
        """
        with optuna_heartbeat(self._study, trial):
            while any(
                other.state == TrialState.RUNNING and other.number < trial.number and other.params == trial.params
                for other in self.trials
            ):
                time.sleep(POLL)
                with self._claims:
                    self._end_orphans()
            yield

    def finish(self, trial: optuna.Trial, state: TrialState, value: float | None = None, **facts: Any) -> None:
        """Record how a trial ended; facts that are None are left out."""
        for key, fact in facts.items():
            if fact is not None:
                trial.set_user_attr(key, fact)
        self._study.tell(trial, value, state)

    def give_back(self, trial: optuna.Trial, message: str) -> None:
        """End a trial that is not to blame for its end; its values are tried again at the next claim."""
        with self._claims:
            stored = self.trials[trial.number]
            if stored.state == TrialState.RUNNING:  # else another process has done so
                self.finish(trial, TrialState.FAIL, message=message)
                self._repeat(stored, stored.user_attrs.get("tries", 1))

    def running_elsewhere(self) -> dict[str, list[int]]:
        """Return the numbers of the running trials of other machines, by machine."""
        numbers: dict[str, list[int]] = {}
        for trial in self.trials:
            host = trial.user_attrs.get("host", HOST)
            if trial.state == TrialState.RUNNING and host != HOST:
                numbers.setdefault(host, []).append(trial.number)
        return numbers

    def _end_orphans(self) -> None:
        """End the running trials of dead processes; only while holding the claims."""
        fail_stale_trials(self._study)
        for trial in self.trials:
            facts = trial.user_attrs
            if trial.state != TrialState.RUNNING or facts.get("host", HOST) != HOST:
                continue
            # Without "pid" its process died before it could write it.
            if "pid" not in facts or not process_exists(facts["pid"]):
                self._study.tell(trial.number, state=TrialState.FAIL)
                self._repeat_dead(self._study, trial)

    def _repeat_dead(self, _study: optuna.Study, trial: FrozenTrial) -> None:
        """Repeat a trial whose process died, unless it has died too often."""
        attempt = trial.user_attrs.get("tries", 1) + 1
        if attempt <= ATTEMPTS:
            self._repeat(trial, attempt)

    def _repeat(self, trial: FrozenTrial, attempt: int) -> None:
        self._study.enqueue_trial(trial.params, user_attrs={"tries": attempt, "repeats": trial.number})


def open_study(database: Path, name: str, search: SearchConfig, direction: Direction) -> SharedStudy:
    """Open or begin a study in a ``database`` of Optuna, which several may share; a ``UserError``: it is none."""
    database = database.resolve()
    database.parent.mkdir(parents=True, exist_ok=True)
    if database.is_file():
        with open(database, "rb") as file:
            if file.read(len(SQLITE)) not in (SQLITE, b""):
                raise UserError(f"{database} is no database of Optuna: move it, or set search.storage")
    return SharedStudy(database, name, search, direction)


def repeated(trials: list[FrozenTrial]) -> set[int]:
    """Return the numbers of the trials that ended with their process, or by hand, and are repeated by other ones."""
    return {trial.user_attrs["repeats"] for trial in trials if "repeats" in trial.user_attrs}


def end_of(trial: FrozenTrial) -> str | None:
    """Return in words how a trial ended that did not end well; None of others."""
    facts = trial.user_attrs
    if trial.state != TrialState.FAIL or "message" in facts:
        return facts.get("message")
    tries = facts.get("tries", 1)
    outcome = ": tried again" if tries < ATTEMPTS else f" {ATTEMPTS} times: too little memory?"
    return f"its process ({facts.get('pid', 'unknown')} on {facts.get('host', 'unknown')}) died{outcome}"


def _distribution(dimension: DimensionConfig) -> BaseDistribution:
    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    assert dimension.low is not None
    assert dimension.high is not None
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _sampler(search: SearchConfig, trials: int) -> optuna.samplers.BaseSampler:
    """A sampler for one trial, seeded by the number of trials before: two processes never draw the same numbers."""
    seed = derive_seed("search", search.seed, trials) % 2**32  # numpy's older generator takes 32 bits
    if search.sampler == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=search.startup_trials)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=search.startup_trials)
