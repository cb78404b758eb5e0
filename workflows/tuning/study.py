"""A study of Optuna that several processes share through one file, and what becomes of trials whose process died."""

import os
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from common.config.search import DimensionConfig, SearchConfig
from common.errors import UserError
from common.seeds import derive_seed
from workflows.tuning.liveness import Heartbeats

HOST = os.environ.get("SLURMD_NODENAME") or socket.gethostname()  # two nodes of Slurm may share a machine, in tests
TRIES = 3  # of one trial: a process that dies each time is not to be blamed on chance
POLL = 2.0  # seconds between two looks at what another process does

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class SharedStudy:
    """One process's hold on a study; use :func:`open_study`.

    A process shows a sign of life (see ``liveness.Signs``), and its trials name it. What asks for a trial
    does so under one lock, so that the trials of all processes together are as many as wished. The processes may be
    those of several machines, where the file system passes locks from one to another: NFS from version 4, Lustre
    mounted with ``flock`` (not ``localflock``), GPFS, BeeGFS with its remote locks switched on.
    """

    def __init__(self, journal: Path, name: str, search: SearchConfig, direction: str) -> None:
        self.search = search
        self.distributions = {key: _distribution(dimension) for key, dimension in search.space.items()}
        self._signs = Heartbeats(journal.with_name(f"{journal.name}.workers"), search.heartbeat_seconds)
        self.alive = self._signs.held
        self._claims = FileLock(f"{journal}.claims")
        with self._claims:
            self._storage = _storage(journal)
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=name,
                direction=direction,
                pruner=_pruner(search),
                load_if_exists=True,
            )

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials of all processes, in their order."""
        return self._study.get_trials(deepcopy=False)

    def claim(self) -> optuna.Trial | None:
        """Return the next trial with its values drawn, or None where there are as many as wished.

        Trials that a dead process left are tried again first. The values are a function of the search's seed and of
        the trials before: it does not matter how often the search was interrupted.
        """
        with self._claims:
            self._signs.renew()
            self._sweep()
            counted = [trial for trial in self.trials if not is_lost(trial)]
            waiting = any(trial.state == TrialState.WAITING for trial in counted)
            if len(counted) >= self.search.trials and not waiting:
                return None
            self._study.sampler = _sampler(self.search, len(counted))
            trial = self._study.ask(self.distributions)
            for key, value in {"host": HOST, "pid": os.getpid(), "worker": self._signs.mine}.items():
                trial.set_user_attr(key, value)
            return trial

    def wait_for_twin(self, trial: optuna.Trial) -> None:
        """Wait while another process trains the very same values: the one run can then serve both."""
        while any(_is_twin(other, trial) for other in self.trials):
            time.sleep(POLL)
            with self._claims:
                self._sweep()

    def finish(self, trial: optuna.Trial, state: TrialState, value: float | None = None, **facts: Any) -> None:
        """Say how a trial ended; facts that are None are left out."""
        for key, fact in facts.items():
            if fact is not None:
                trial.set_user_attr(key, fact)
        self._study.tell(trial, value, state)

    def give_back(self, trial: optuna.Trial, message: str) -> None:
        """End a trial that is not to blame for its end; its values are tried again at the next claim."""
        with self._claims:
            found = next(other for other in self.trials if other.number == trial.number)
            if found.state == TrialState.RUNNING:  # else another process has done so
                self._lose(found, message, found.user_attrs.get("tries", 1))

    def elsewhere(self) -> dict[str, list[int]]:
        """The numbers of the running trials of other machines, by machine."""
        found: dict[str, list[int]] = {}
        for trial in self.trials:
            host = trial.user_attrs.get("host", HOST)
            if trial.state == TrialState.RUNNING and host != HOST:
                found.setdefault(host, []).append(trial.number)
        return found

    def _sweep(self) -> None:
        """End the running trials of dead processes; only while holding the claims."""
        for trial in self.trials:
            if trial.state == TrialState.RUNNING and self._is_orphan(trial):
                tries = trial.user_attrs.get("tries", 1) + 1
                process = f"{trial.user_attrs.get('pid', 'unknown')} on {trial.user_attrs.get('host', HOST)}"
                if tries <= TRIES:
                    again = ": tried again"
                else:
                    again = f" {TRIES} times: too little memory?"
                self._lose(trial, f"its process ({process}) died{again}", tries)

    def _lose(self, trial: FrozenTrial, message: str, tries: int) -> None:
        # Optuna changes no finished trial: its facts come first.
        self._storage.set_trial_user_attr(trial._trial_id, "message", message)
        if tries <= TRIES:
            self._storage.set_trial_user_attr(trial._trial_id, "lost", True)
        self._study.tell(trial.number, state=TrialState.FAIL)
        if tries <= TRIES:
            self._study.enqueue_trial(trial.params, user_attrs={"tries": tries})

    def _is_orphan(self, trial: FrozenTrial) -> bool:
        host = trial.user_attrs.get("host", HOST)
        elsewhere = host != HOST
        if "worker" not in trial.user_attrs:  # died between asking and signing
            return True
        gone = elsewhere and host in self.search.gone_hosts
        return gone or self._signs.is_dead(trial.user_attrs["worker"], elsewhere)


@contextmanager
def open_study(journal: Path, name: str, search: SearchConfig, direction: str) -> Iterator[SharedStudy]:
    """Open a study, or begin it, and hold the sign of life of this process.

    Args:
        journal: Optuna's file; several studies may share it.
        name: The study's name.
        search: What is searched, and how.
        direction: "minimize" or "maximize".

    Raises:
        UserError: The file is there and is no journal of Optuna.
    """
    # Absolute: Optuna's lock is a symbolic link to the file, and a link in another folder that dangles is never freed.
    journal = journal.resolve()
    journal.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = SharedStudy(journal, name, search, direction)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise UserError(f"{journal} is no journal of Optuna, or broken: move it, or set search.storage") from error
    with study.alive():
        yield study


def is_lost(trial: FrozenTrial) -> bool:
    """Whether a trial ended with its process, or by hand, and another stands for it."""
    return bool(trial.user_attrs.get("lost"))


class _WholeLines(JournalFileSymlinkLock):
    """Optuna's lock of its file. A last line that a full disk or a kill cut is dropped: the next would be glued on."""

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal

    def acquire(self) -> bool:
        """Take the lock, and mend the file."""
        taken = super().acquire()
        try:
            self._mend()
        except BaseException:
            self.release()
            raise
        return taken

    def _mend(self) -> None:
        with open(self._journal, "rb+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            if file.read(1) in (b"\n", b""):
                return
            file.seek(0)
            written = file.read()
            if written.startswith(b'{"op_code"'):
                file.truncate(written.rfind(b"\n") + 1)


def _storage(journal: Path) -> JournalStorage:
    lock = _WholeLines(journal)
    backend = JournalFileBackend(str(journal), lock)
    lock.acquire()  # mends the file before it is read
    lock.release()
    return JournalStorage(backend)


def _distribution(dimension: DimensionConfig) -> BaseDistribution:
    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    if dimension.whole:
        kind = IntDistribution
    else:
        kind = FloatDistribution
    return kind(dimension.low, dimension.high, log=dimension.log)


def _sampler(search: SearchConfig, trials: int) -> optuna.samplers.BaseSampler:
    """A sampler for one trial, seeded by how many there were before: two processes never draw the same numbers."""
    seed = derive_seed("search", search.seed, trials) % 2**32  # numpy's older generator takes 32 bits
    kind: Mapping[str, Any] = {"tpe": optuna.samplers.TPESampler, "gp": optuna.samplers.GPSampler}
    return kind[search.sampler](seed=seed, n_startup_trials=search.startup_trials)


def _pruner(search: SearchConfig) -> optuna.pruners.BasePruner:
    if search.pruner.name == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(search.pruner.startup_trials, search.pruner.warmup_epochs)


def _is_twin(other: FrozenTrial, trial: optuna.Trial) -> bool:
    return other.state == TrialState.RUNNING and other.number < trial.number and other.params == trial.params
