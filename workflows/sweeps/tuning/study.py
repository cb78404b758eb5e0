"""A study of Optuna that several processes share through one file, and what becomes of trials whose process died."""

import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Literal
from uuid import uuid4

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from common.compat import trial_id
from common.errors import UserError
from common.seeds import derive_seed
from workflows.sweeps.tuning.settings import DimensionConfig, SearchConfig

HOST = os.environ.get("SLURMD_NODENAME") or socket.gethostname()  # two nodes of Slurm may share a machine, in tests
Direction = Literal["minimize", "maximize"]
ATTEMPTS = 3  # of one trial: a process that dies each time does not die by chance
POLL = 2.0  # seconds between two looks at the trial of another process
BEAT = 5.0  # seconds between two heartbeats, at most

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class Heartbeats:
    """Which processes of a study are alive: each locks a file of its own in ``folder``, and touches it regularly.

    A process of this machine is dead when nobody has the lock of its file: that shows at once, even if its process id
    was given to another. A file system shared by several machines may take long to free the lock of a dead machine, or
    may not pass locks from one machine to another. So a process of another machine is dead when its file has not been
    touched for ``patience`` seconds *and* nobody has its lock. Times are compared as the file system gives them, never
    by two clocks.
    """

    def __init__(self, folder: Path, patience: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.patience = patience
        self.name = uuid4().hex
        # Not of one thread: the one that touches the file may have to lock it again.
        self._lock = FileLock(folder / self.name, thread_local=False)
        self._renewing = Lock()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Lock this process's file, and touch it from a thread: a step of the training may take long."""
        ended = Event()
        with self._lock:
            thread = Thread(target=self._beat, args=(ended,), name="heartbeat", daemon=True)
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join()
                (self.folder / self.name).unlink(missing_ok=True)

    def renew(self) -> None:
        """Make this process's file again where it was removed, by hand or by a process that took this one for dead.

        Without it, all later trials of this process would be taken for a dead one's.
        """
        with self._renewing:
            if self._lock.is_locked and not (self.folder / self.name).exists():
                self._lock.release()
                self._lock.acquire()

    def is_dead(self, name: str, elsewhere: bool) -> bool:
        """Tell whether the process of a file, maybe of another machine, is dead; if so, remove the file."""
        file = self.folder / name
        if name == self.name:
            return False
        if not file.exists():  # removed by its process, or by one that took it for dead
            return True
        if elsewhere and self._silence(file) <= self.patience:
            return False
        try:
            with FileLock(file, timeout=0):
                pass
        except Timeout:
            return False
        file.unlink(missing_ok=True)
        return True

    def _beat(self, ended: Event) -> None:
        while not ended.wait(min(BEAT, self.patience / 5)):
            with suppress(OSError):  # a file system that is away for a moment
                self.renew()
                os.utime(self.folder / self.name)

    def _silence(self, file: Path) -> float:
        """Seconds since a file was touched, by the clock of the file system: that of a file touched just now."""
        now = self.folder / f"{self.name}.now"
        now.touch()
        times = []
        try:
            for path in (now, file):
                with open(path) as opened:  # a network's file system then asks its server, instead of its cache
                    times.append(os.fstat(opened.fileno()).st_mtime)
        except FileNotFoundError:  # the process has just ended
            return float("inf")
        finally:
            now.unlink(missing_ok=True)
        return times[0] - times[1]


class SharedStudy:
    """One process's view of a study; use ``open_study``.

    Trials name the process that runs them by its file in ``Heartbeats``. Trials are claimed under one lock, so
    that the trials of all processes together are as many as wanted. The processes may be those of several machines,
    where the file system passes locks from one to another: NFS from version 4, Lustre mounted with ``flock`` (not
    ``localflock``), GPFS, BeeGFS with its remote locks switched on.
    """

    def __init__(self, journal: Path, name: str, search: SearchConfig, direction: Direction) -> None:
        self.search = search
        self.distributions = {key: _distribution(dimension) for key, dimension in search.space.items()}
        self.heartbeats = Heartbeats(journal.with_name(f"{journal.name}.workers"), search.heartbeat_seconds)
        self._claims = FileLock(f"{journal}.claims")
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if search.pruner.name != "none":
            pruner = optuna.pruners.MedianPruner(search.pruner.startup_trials, search.pruner.warmup_epochs)
        with self._claims:
            lock = _RepairingLock(journal)
            backend = JournalFileBackend(str(journal), lock)
            lock.acquire()  # repairs the file before it is read
            lock.release()
            self._storage = JournalStorage(backend)
            self._study = optuna.create_study(
                storage=self._storage, study_name=name, direction=direction, pruner=pruner, load_if_exists=True
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
            self.heartbeats.renew()
            self._end_orphans()
            counted = [trial for trial in self.trials if not is_lost(trial)]
            waiting = any(trial.state == TrialState.WAITING for trial in counted)
            if len(counted) >= self.search.trials and not waiting:
                return None
            self._study.sampler = _sampler(self.search, len(counted))
            trial = self._study.ask(self.distributions)
            for key, value in {"host": HOST, "pid": os.getpid(), "worker": self.heartbeats.name}.items():
                trial.set_user_attr(key, value)
            return trial

    def wait_for_twin(self, trial: optuna.Trial) -> None:
        """Wait while another process trains the very same values: the one run can then serve both."""
        while any(
            other.state == TrialState.RUNNING and other.number < trial.number and other.params == trial.params
            for other in self.trials
        ):
            time.sleep(POLL)
            with self._claims:
                self._end_orphans()

    def finish(self, trial: optuna.Trial, state: TrialState, value: float | None = None, **facts: Any) -> None:
        """Record how a trial ended; facts that are None are left out."""
        for key, fact in facts.items():
            if fact is not None:
                trial.set_user_attr(key, fact)
        self._study.tell(trial, value, state)

    def give_back(self, trial: optuna.Trial, message: str) -> None:
        """End a trial that is not to blame for its end; its values are tried again at the next claim."""
        with self._claims:
            stored = next(other for other in self.trials if other.number == trial.number)
            if stored.state == TrialState.RUNNING:  # else another process has done so
                self._end_lost(stored, message, stored.user_attrs.get("tries", 1))

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
        for trial in self.trials:
            facts = trial.user_attrs
            host = facts.get("host", HOST)
            if trial.state != TrialState.RUNNING:
                continue
            gone = host != HOST and host in self.search.gone_hosts
            # Without "worker" its process died before it could write its name.
            if "worker" not in facts or gone or self.heartbeats.is_dead(facts["worker"], elsewhere=host != HOST):
                attempt = facts.get("tries", 1) + 1
                outcome = ": tried again" if attempt <= ATTEMPTS else f" {ATTEMPTS} times: too little memory?"
                process = f"{facts.get('pid', 'unknown')} on {host}"
                self._end_lost(trial, f"its process ({process}) died{outcome}", attempt)

    def _end_lost(self, trial: FrozenTrial, message: str, attempt: int) -> None:
        # Optuna changes no finished trial: its facts come first.
        self._storage.set_trial_user_attr(trial_id(trial), "message", message)
        if attempt <= ATTEMPTS:
            self._storage.set_trial_user_attr(trial_id(trial), "lost", True)
        self._study.tell(trial.number, state=TrialState.FAIL)
        if attempt <= ATTEMPTS:
            self._study.enqueue_trial(trial.params, user_attrs={"tries": attempt})


@contextmanager
def open_study(journal: Path, name: str, search: SearchConfig, direction: Direction) -> Iterator[SharedStudy]:
    """Open or begin a study in Optuna's ``journal``, which several may share; a ``UserError``: it is no journal."""
    # Absolute: Optuna's lock is a symbolic link to the file, and a link in another folder that dangles is never freed.
    journal = journal.resolve()
    journal.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = SharedStudy(journal, name, search, direction)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise UserError(f"{journal} is no journal of Optuna, or broken: move it, or set search.storage") from error
    with study.heartbeats.beating():
        yield study


def is_lost(trial: FrozenTrial) -> bool:
    """Tell whether a trial ended with its process, or by hand, and is repeated by another one."""
    return bool(trial.user_attrs.get("lost"))


class _RepairingLock(JournalFileSymlinkLock):
    """Optuna's lock of its file. A last line that a full disk or a kill cut is dropped: the next would be glued on."""

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal

    def acquire(self) -> bool:
        """Take the lock, and repair the file."""
        acquired = super().acquire()
        try:
            with open(self._journal, "rb+") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
                if file.read(1) not in (b"\n", b""):
                    file.seek(0)
                    written = file.read()
                    if written.startswith(b'{"op_code"'):
                        file.truncate(written.rfind(b"\n") + 1)
        except BaseException:
            self.release()
            raise
        return acquired


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
