"""A study of Optuna in a journal that several processes may share, and how the values of a trial are drawn."""

from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from karyocyte.common.seeds import derive_seed
from karyocyte.evaluation.metrics.classification import lower_is_better
from karyocyte.workflows.sweeps.tuning.settings import DimensionConfig, SearchConfig, Value

optuna.logging.set_verbosity(optuna.logging.ERROR)


def open_study(folder: Path, monitor: str) -> optuna.Study:
    """Open the study of a folder, which is made where it is missing; ``draw`` chooses the sampler of each trial."""
    folder.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        study_name=folder.name,
        direction="minimize" if lower_is_better(monitor) else "maximize",
        load_if_exists=True,
    )


def ended_trials(study: optuna.Study) -> int:
    """Count the trials that are done: an interrupted one, which is repeated, has failed without a message."""
    ended = study.get_trials(False, (TrialState.COMPLETE, TrialState.FAIL))
    return sum(trial.state != TrialState.FAIL or "message" in trial.user_attrs for trial in ended)


def draw(trial: optuna.Trial, search: SearchConfig) -> dict[str, Value]:
    """Draw the values of a trial: a function of the search's seed, the trial's number and the trials before.

    It does not matter how often the search was interrupted, and two processes never draw the same numbers.
    """
    seed = derive_seed("search", search.seed, trial.number) % 2**32  # numpy's older generator takes 32 bits
    make = optuna.samplers.GPSampler if search.sampler == "gp" else optuna.samplers.TPESampler
    trial.study.sampler = make(seed=seed, n_startup_trials=search.startup_trials)
    return {key: _suggest(trial, key, dimension) for key, dimension in search.space.items()}


def _suggest(trial: optuna.Trial, key: str, dimension: DimensionConfig) -> Value:
    low, high = dimension.low, dimension.high
    if low is None or high is None:
        assert dimension.choices is not None
        choice = trial.suggest_categorical(key, dimension.choices)
        assert choice is not None
        return choice
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, log=dimension.log)
    return trial.suggest_float(key, low, high, log=dimension.log)
