"""A search over settings: each trial is an ordinary run of train.py, judged by its validation part."""

import errno
import math
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import optuna
from filelock import FileLock
from omegaconf import DictConfig, OmegaConf
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from pytorch_lightning.utilities.memory import garbage_collection_cuda, is_oom_error

from common.cli import console, say, warn
from common.config.schema import Config
from common.config.search import SearchConfig
from common.errors import UserError
from common.files import sha256_of_value
from common.revision import revision
from common.runs.address import run_facts, run_identity
from common.runs.history import read_history
from common.runs.lifecycle import Pruned
from datamodules.image_datamodule import ImageDataModule
from lightning_modules.build import build_classifier
from lightning_modules.callbacks import MetricReporter
from lightning_modules.stages.fit import read_score, set_up_torch
from workflows import train
from workflows.tuning.results import Found, override, write_found, write_trials
from workflows.tuning.space import check_space, with_values
from workflows.tuning.study import SharedStudy, open_study

# Steps of Optuna from one stage to the next, so that an epoch is compared with the same epoch of the same stage,
# however early the stage before had ended.
STAGE = 100_000


def tune(search: SearchConfig, composed: DictConfig, typed: Sequence[str]) -> Path:
    """Search, or continue the search that is there, up to its number of trials; return the study's folder.

    Args:
        search: What is searched, and how.
        composed: What Hydra composed of the rest.
        typed: The overrides that the user typed, for the command that trains the best.

    Raises:
        UserError: The search, its space or the experiment itself is wrong, or no trial ended well.
    """
    config = check_space(search, composed)
    data, contents = inspect(config)
    identity = run_identity(config, contents)
    about = {**run_facts(config, identity), **data.facts()}
    name = study_name(search, config, identity)
    folder = Path(config.output_dir) / "studies" / name
    direction = {"min": "minimize", "max": "maximize"}[config.callbacks.mode]
    found = Found(folder, search, config.callbacks.monitor, config.callbacks.mode, about, typed, composed)
    with open_study(Path(search.storage or folder / "journal.log"), name, search, direction) as study:
        wish = f"{search.sampler}, {search.trials} trials in all, {direction} {config.callbacks.monitor}"
        warn(*data.warnings())
        say(str(folder), wish, *(f"{key}: {_said(search, key)}" for key in search.space), *data.describe())
        try:
            _search(study, found, config)
        except BaseException:  # what was found so far is kept; the reason must not be hidden
            with suppress(Exception), _writing(folder):
                write_found(found, study.trials)
            raise
        _tell_of_others(study)
        with _writing(folder):
            write_found(found, study.trials, show=True)
    return folder


def inspect(config: Config) -> tuple[ImageDataModule, dict[str, str | None]]:
    """Look at data, weights and network before the first trial: what is wrong there is no trial's fault.

    Returns:
        The data, inspected, and the hashes of contents that belong to the identity of a run.

    Raises:
        UserError: The experiment cannot be trained.
    """
    set_up_torch()
    revision()
    data = ImageDataModule.from_config(config, config.trainer.enable_progress_bar)
    data.setup()
    _, contents = build_classifier(config, data.manifest.classes, data.plan.class_weights)
    return data, {"data": data.content_hash(), **contents}


def study_name(search: SearchConfig, config: Config, identity: Mapping[str, Any]) -> str:
    """Return ``<experiment>-<8 hex>``: the hex over space, sampler, seed and all that makes a run, searched keys aside.

    The number of trials, the time limit and the pruner may change when a search is continued.
    """
    settings = OmegaConf.create(identity["config"])
    # These three are part of a run's address in words of their own.
    address = {"protocol": config.protocol, "seed": config.seed, "split.fold": config.split.fold}
    for key, value in {**address, **dict.fromkeys(search.space)}.items():
        OmegaConf.update(settings, key, value)
    how = search.model_dump(mode="json", include={"space", "sampler", "seed", "startup_trials"})
    return f"{config.name}-{sha256_of_value([how, OmegaConf.to_container(settings), identity['contents']])[:8]}"


def _search(study: SharedStudy, found: Found, config: Config) -> None:
    """Run trials until there are enough, or time is up."""
    minutes = found.search.timeout_minutes
    if minutes is None:
        end = math.inf
    else:
        end = monotonic() + 60 * minutes
    while monotonic() < end and (trial := study.claim()) is not None:
        try:
            _try(study, trial, found, config)
        except UpdateFinishedTrialError:
            warn(f"trial {trial.number} was ended by another process, which took this one for dead")
        with _writing(found.folder):
            write_trials(found, study.trials)
    if monotonic() >= end:
        warn(f"search.timeout_minutes={minutes} is over: the same command goes on")


def _try(study: SharedStudy, trial: optuna.Trial, found: Found, config: Config) -> None:
    """Train one trial, and say in the study how it ended."""
    values = ", ".join(override(key, value) for key, value in trial.params.items())
    say(f"trial {trial.number}: {values}")
    try:
        study.wait_for_twin(trial)
        with _quiet():
            folder = train.run(with_values(found.composed, trial.params), partial(_watch, trial, found.monitor))
        facts = _facts(folder, found)
        score = read_score(folder)
        study.finish(trial, TrialState.COMPLETE, score, run=str(folder), **facts)
        _note(f"{found.monitor} {score:.4f}: {folder}")
    except Pruned as reason:
        _note(f"pruned: {reason}")
        folder = Path(trial.user_attrs["run"])
        study.finish(trial, TrialState.PRUNED, message=str(reason), **_facts(folder, found))
    except Exception as error:
        if isinstance(error, OSError) and error.errno != errno.ENOMEM:  # a full disk: the next would end alike
            study.give_back(trial, f"{type(error).__name__}: {error}")
            raise
        message = _explained(error)
        warn(f"failed: {message}")
        study.finish(trial, TrialState.FAIL, message=message)
    except BaseException as end:  # Ctrl-C, or Lightning's exit after it, or preempted by Slurm
        how = getattr(end, "status", "interrupted")
        study.give_back(trial, how)
        warn(f"{how}: the same command goes on")
        raise
    garbage_collection_cuda()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Let one process at a time read the study and write its tables: the newest are then the last."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".writing"):
        yield


def _note(text: str) -> None:
    console.print(f"  {text}", markup=False, soft_wrap=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let a run be silent, its table of the test part above all: nobody should choose settings by that."""
    console.quiet = True
    try:
        yield
    finally:
        console.quiet = False


def _watch(trial: optuna.Trial, monitor: str, folder: Path) -> list[MetricReporter]:
    trial.set_user_attr("run", str(folder))
    return [MetricReporter(monitor, partial(_report, trial))]


def _report(trial: optuna.Trial, stage: int, epoch: int, value: float) -> None:
    """Report an epoch to the study, and end the run where the pruner says so.

    A metric that is not finite is not reported: a run may come back from it and, where it never does, it fails.
    """
    if not math.isfinite(value):
        return
    trial.report(value, stage * STAGE + epoch)
    if trial.should_prune():
        raise Pruned(f"worse than the median of earlier trials at epoch {epoch + 1} of stage {stage + 1}")


def _facts(folder: Path, found: Found) -> dict[str, float]:
    """The validation loss and accuracy of a run at its best epoch, of the last stage that it reached."""
    history = read_history(folder)
    if found.monitor not in history:
        return {}
    last = history[history["stage"] == history["stage"].iloc[-1]].dropna(subset=[found.monitor])
    if last.empty:
        return {}
    row = last.loc[getattr(last[found.monitor], f"idx{found.mode}")()]
    return {f"val_{name}": float(row[f"val/{name}"]) for name in ("loss", "acc") if f"val/{name}" in row}


def _explained(error: Exception) -> str:
    """One line for the trial's message. What is nobody's known mistake is printed in full, too."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, UserError):
        return text
    if isinstance(error, MemoryError) or is_oom_error(error) or "out of memory" in text:
        return f"out of memory: {text}"
    traceback.print_exception(error)
    return f"{type(error).__name__}: {text}"


def _said(search: SearchConfig, key: str) -> str:
    dimension = search.space[key]
    if dimension.choices is not None:
        return ", ".join(map(str, dimension.choices))
    return f"{dimension.low:g} to {dimension.high:g}" + (", logarithmic" if dimension.log else "")


def _tell_of_others(study: SharedStudy) -> None:
    for host, numbers in study.elsewhere().items():
        which = ", ".join(map(str, numbers))
        when = f"{study.search.heartbeat_seconds:g} s after their last sign of life, or with search.gone_hosts=[{host}]"
        warn(f"trials {which} run on {host}: if it is gone, the same command tries them again, {when}")
