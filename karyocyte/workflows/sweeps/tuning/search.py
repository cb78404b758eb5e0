"""A search over settings: each trial is an ordinary run of train.py, evaluated on its validation part."""

import errno
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from karyocyte.common.cli import console, quiet, say, warn
from karyocyte.common.files import make_folder, sha256_of_value
from karyocyte.common.revision import revision
from karyocyte.common.seeds import derive_seed
from karyocyte.config.schema import TrainingConfig
from karyocyte.evaluation.metrics.classification import lower_is_better
from karyocyte.runs.address import run_facts, run_identity
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import message_of
from karyocyte.workflows.sweeps.tuning.results import SearchReport, overrides_of
from karyocyte.workflows.sweeps.tuning.settings import SearchConfig, Value, check_space, with_values
from karyocyte.workflows.training import train
from lightning_modules.training.fit import FinishedStage
from lightning_modules.training.process import set_up_torch

optuna.logging.set_verbosity(optuna.logging.ERROR)


def tune(search: SearchConfig, composed: DictConfig) -> Path:
    """Search, or continue the search that is there, up to its number of trials; return the study's folder.

    ``composed`` is the composition of all but the search.
    """
    config = check_space(search, composed)
    # Data, weights and network are read before the first trial: an error there is no trial's fault.
    set_up_torch()
    revision()
    data, _, contents = train.prepare(config)
    identity = run_identity(config, {"data": data.content_hash(), **contents})
    folder = Path(config.output_dir) / "studies" / study_name(search, config, identity)
    monitor = config.callbacks.monitor
    facts = {**run_facts(config, identity), **data.facts()}
    report = SearchReport(Path(search.out or folder), search, monitor, facts, composed)
    study = open_study(folder, monitor)
    goal = f"{search.sampler}, {search.trials} trials in all, {study.direction.name.lower()} {monitor}"
    space = search.model_dump(mode="json", include={"space"}, exclude_defaults=True)
    warn(*data.warnings())
    say(str(folder), goal, f"space: {space['space']}", *data.describe())
    try:
        missing = max(0, search.trials - ended_trials(study))
        after = partial(_after_trial, report=report)
        study.optimize(partial(_score, report=report), missing, callbacks=[after], gc_after_trial=True)
    finally:
        report.write_table(study)
    report.write(study)
    return folder


def study_name(search: SearchConfig, config: TrainingConfig, identity: Mapping[str, Any]) -> str:
    """Return ``<experiment>-<8 hex>``: the hex over space, sampler, seed and all that makes a run, searched keys aside.

    The number of trials may change when a search is continued.
    """
    settings = OmegaConf.create(identity["config"])
    # These three are part of a run's address in words of their own.
    address = {"protocol": config.protocol, "seed": config.seed, "split.fold": config.split.fold}
    for key, value in {**address, **dict.fromkeys(search.space)}.items():
        OmegaConf.update(settings, key, value)
    how = search.model_dump(mode="json", include={"space", "sampler", "seed", "startup_trials"})
    return f"{config.name}-{sha256_of_value([how, OmegaConf.to_container(settings), identity['contents']])[:8]}"


def _score(trial: optuna.Trial, report: SearchReport) -> float:
    """Train one trial and return its score, or NaN where it fails: Optuna records it so."""
    values = draw(trial, report.search)
    say(f"trial {trial.number}: {' '.join(overrides_of(values, report.composed))}")

    try:
        with quiet():  # above all no table of the test part: nobody should choose settings by that
            config = with_values(report.composed, values)
            folder = train.run(config, lambda place: trial.set_user_attr("run", str(place)))
        trial.set_user_attr("run", str(folder))  # it was finished before
        return FinishedStage.read(Run(folder).best_checkpoint.parent).score
    except BaseException as error:
        if is_of_the_trial(error):
            trial.set_user_attr("message", " ".join(message_of(error).split())[:300])
            return math.nan
        trial.study.enqueue_trial(trial.params)  # the same values again, whose run goes on from its checkpoint
        if isinstance(error, SystemExit):  # Optuna would leave the trial running
            trial.study.tell(trial, state=TrialState.FAIL)
        warn(f"{getattr(error, 'status', 'interrupted')}: the same command goes on")
        raise


def is_of_the_trial(error: BaseException) -> bool:
    """Whether the next trial may end better: not after a full disk, Ctrl-C, Lightning's exit after it, or Slurm's."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, Exception)


def _after_trial(study: optuna.Study, trial: FrozenTrial, report: SearchReport) -> None:
    """Say and write how a trial ended, and stop once all processes together have made enough."""
    message = trial.user_attrs.get("message")
    if trial.state == TrialState.COMPLETE:
        message = f"{report.monitor} {trial.value:.4f}: {trial.user_attrs['run']}"
    failed = "failed: " * (trial.state == TrialState.FAIL)
    console.print(f"  {failed}{message}", markup=False, soft_wrap=True)
    report.write_table(study)
    if ended_trials(study) >= report.search.trials:
        study.stop()


def open_study(folder: Path, monitor: str) -> optuna.Study:
    """Open the study of a folder, which is made where it is missing; ``draw`` chooses the sampler of each trial."""
    make_folder(folder)
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
    return {key: dimension.suggest(trial, key) for key, dimension in search.space.items()}
