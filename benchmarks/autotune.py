"""The fastest settings of a training on this machine: two at a time step in turn, each in a process of its own."""

import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from inspect import signature
from math import ceil, nan
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf

from benchmarks.speed.stepper import Pace, Stepper
from benchmarks.speed.training import Paced
from common.config.compose import compose_config
from common.config.schema import Config
from common.errors import UserError
from common.revision import revision
from lightning_modules.stages.fit import train_stages
from lightning_modules.stages.plan import stages_of
from lightning_modules.trainer import has_compiler, set_up_torch
from workflows.train import build_data, build_model

Value = bool | int | str
# A training that goes on until no further step is asked for, and leaves nothing.
ENDLESS = (
    "callbacks.early_stopping.enabled=false",
    "callbacks.early_break.enabled=false",
    "callbacks.check_and_adjust.enabled=false",
    "logger.csv=false",
    "logger.tensorboard=false",
    "trainer.enable_progress_bar=false",
    "trainer.limit_train_batches=null",
    "trainer.limit_val_batches=1",
    "trainer.max_images=null",
    "trainer.max_epochs=1000000",
)
THREADS = "OMP_NUM_THREADS"  # a variable of the environment among the keys
WORTH = 1.03  # times as fast, at which a setting that is faster in all rounds is taken: less is the machine's noise
TURN = 0.5  # seconds that the steps of one turn take, about
WARM_UP = 4  # steps; the first one compiles


@dataclass(frozen=True)
class Candidate:
    """Settings that are tried.

    Attributes:
        values: By key of train.py, and by `THREADS`; nothing: the experiment's own.
    """

    values: Mapping[str, Value] = field(default_factory=dict)

    def and_also(self, other: "Candidate") -> "Candidate":
        """Return both together; ``other`` has its way."""
        return Candidate({**self.values, **other.values})

    def overrides(self) -> list[str]:
        """Return what train.py is given."""
        words = []
        for key, value in self.values.items():
            if key != THREADS:
                plus = "+" if key.startswith("optimizer.args.") else ""
                words.append(f"{plus}{key}={str(value).lower() if isinstance(value, bool) else value}")
        return words

    def command(self, overrides: Sequence[str]) -> str:
        """Return the command that trains an experiment with these settings; ``overrides`` are the experiment's."""
        variable = f"{THREADS}={self.values[THREADS]} " if THREADS in self.values else ""
        return variable + shlex.join(["python", "train.py", *overrides, *self.overrides()])

    def as_yaml(self, overrides: Sequence[str]) -> str:
        """Return a file for conf/tuned; ``overrides`` are those of the experiment."""
        values = OmegaConf.create()
        for key, value in self.values.items():
            if key != THREADS:
                OmegaConf.update(values, key, value, force_add=True)
        about = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, revision {revision()}"
        lines = ["# @package _global_", f"# Fastest settings of {' '.join(overrides)}", f"# on {about}"]
        if THREADS in self.values:
            lines.append(f"# with {THREADS}={self.values[THREADS]} in the environment")
        return "\n".join([*lines, OmegaConf.to_yaml(values)])

    def __str__(self) -> str:
        return ", ".join(f"{key}={value}" for key, value in self.values.items()) or "the experiment's own"


@dataclass(frozen=True)
class Trial:
    """A candidate beside the fastest one before it.

    Attributes:
        ratio: Times as fast, by the clock: median of the rounds; NaN where its training failed.
        lowest: Of the rounds.
        highest: Of the rounds.
        step_ms: Milliseconds of a step, by the clock.
        taken: Whether it became the fastest.
    """

    candidate: Candidate
    ratio: float
    lowest: float
    highest: float
    step_ms: float
    taken: bool


def table(trials: Sequence[Trial]) -> pd.DataFrame:
    """Return the trials for the terminal."""
    columns = {"settings": [str(trial.candidate) for trial in trials]}
    frame = pd.DataFrame([asdict(trial) for trial in trials]).drop(columns="candidate")
    return pd.DataFrame(columns).join(frame.round(2))


def candidates(config: Config, cores: int) -> list[Candidate]:
    """Return what is tried one after the other, each on top of the fastest so far.

    Args:
        config: Of the experiment.
        cores: How many this process may use.
    """
    trainer = config.trainer
    on_gpu = trainer.accelerator != "cpu" and torch.cuda.is_available()
    layout: dict[str, Value] = {"trainer.channels_last": not trainer.channels_last}
    mixed = trainer.precision == "bf16-mixed"
    precision: dict[str, Value] = {"trainer.precision": "32-true" if mixed else "bf16-mixed"}
    tried = [layout, precision, {**layout, **precision}]
    if _can_be_fused(config):
        tried.append({"optimizer.args.fused": True})
    if not trainer.compile and has_compiler(trainer.accelerator):
        tried.append({"trainer.compile": True})
    if on_gpu:
        tried.append({"loader.pin_memory": not config.loader.pin_memory})
    else:
        tried += [{THREADS: threads} for threads in _powers(cores) if threads != torch.get_num_threads()]
    # On one core a worker only takes turns with the training.
    workers = [0, *_powers(cores)] if cores > 1 else [0]
    tried += [{"loader.workers": number} for number in workers if number != config.loader.workers]
    return [Candidate(values) for values in tried]


def autotune(overrides: Sequence[str], folder: Path, rounds: int) -> list[Trial]:
    """Try the candidates of an experiment, on its own images and its last stage.

    Args:
        overrides: What train.py is given.
        folder: Empty; for what the trainings write.
        rounds: How often the two that are compared are timed, in turn.

    Returns:
        The experiment's own settings, of ratio 1, and after them the trials; the last that was taken is the fastest.

    Raises:
        UserError: The experiment does not train step by step, or fails with its own settings.
    """
    config = compose_config(overrides)
    set_up_torch()
    build_data(config).prepare_data()
    fastest = Training(overrides, Candidate(), folder / "0")
    try:
        trials = [Trial(fastest.candidate, 1.0, 1.0, 1.0, fastest.warm_up() * 1e3, taken=True)]
        for number, change in enumerate(candidates(config, _cores()), 1):
            candidate = fastest.candidate.and_also(change)
            if any(trial.candidate == candidate for trial in trials):
                continue
            print(f"{candidate} ...", flush=True)
            challenger = Training(overrides, candidate, folder / str(number))
            try:
                trials.append(_compare(challenger, fastest, rounds))
                if trials[-1].taken:
                    challenger, fastest = fastest, challenger
            finally:
                challenger.close()
    except EOFError as error:
        raise UserError("the training failed with the experiment's own settings, as is said above") from error
    finally:
        fastest.close()
    return trials


class Training:
    """A training in a process of its own, which steps when it is asked.

    Args:
        overrides: What train.py is given.
        candidate: On top of them.
        folder: For what it writes.
    """

    def __init__(self, overrides: Sequence[str], candidate: Candidate, folder: Path) -> None:
        self.candidate = candidate
        words = [*overrides, *candidate.overrides()]
        threads = int(candidate.values.get(THREADS, torch.get_num_threads()))
        # Processes that load are its children, which no daemon may have.
        self._stepper = Stepper(train_endlessly, words, folder, threads, daemon=False)
        # So many batches were loaded while the other one stepped: their steps do not count.
        self._loaded = 2 * compose_config(words).loader.workers
        self._steps = 1

    def warm_up(self) -> float:
        """Take the first steps; return the seconds of one after them.

        Raises:
            EOFError: The training failed.
        """
        for _ in range(WARM_UP):
            seconds = self._stepper().clock
        self._steps = ceil(TURN / seconds)
        return seconds

    def turn(self) -> float:
        """Take some steps; return the seconds of one."""
        clocks = [self._stepper().clock for _ in range(self._loaded + self._steps)]
        return float(np.mean(clocks[self._loaded :]))

    def close(self) -> None:
        """End the process."""
        self._stepper.close()


def train_endlessly(pace: Pace, overrides: Sequence[str], folder: Path, threads: int) -> None:
    """Train the last stage of an experiment until no further step is asked for."""
    set_up_torch()
    torch.set_num_threads(threads)
    config = _last_stage(compose_config([*overrides, *ENDLESS, f"output_dir={folder}"]))
    data = build_data(config)
    model, _ = build_model(config, data)
    train_stages(model, data, config, folder / "run", callbacks=[Paced(pace)])


def _compare(challenger: Training, fastest: Training, rounds: int) -> Trial:
    """Time two trainings in turn."""
    try:
        challenger.warm_up()
        seconds = np.array([(fastest.turn(), challenger.turn()) for _ in range(rounds)])
    except EOFError:  # out of memory, say: the process has said it
        return Trial(challenger.candidate, nan, nan, nan, nan, taken=False)
    ratios = seconds[:, 0] / seconds[:, 1]
    ratio = float(np.median(ratios))
    lowest = float(ratios.min())
    step_ms = float(np.median(seconds[:, 1])) * 1e3
    return Trial(
        candidate=challenger.candidate,
        ratio=ratio,
        lowest=lowest,
        highest=float(ratios.max()),
        step_ms=step_ms,
        taken=ratio >= WORTH and lowest > 1,
    )


def _last_stage(config: Config) -> Config:
    """Return a configuration that trains its last stage alone, without an end."""
    name, stage = list(stages_of(config).items())[-1]
    endless = stage.model_copy(update={"max_epochs": None})
    unfreeze = config.unfreeze.model_copy(update={"stages": {name: endless}, "train": None})
    return config.model_copy(update={"unfreeze": unfreeze})


def _can_be_fused(config: Config) -> bool:
    """Whether the optimiser of the last stage is that of the run, and torch has a fused one."""
    stage = list(stages_of(config).values())[-1]
    optimizer = getattr(torch.optim, config.optimizer.name, None)
    own = stage.optimizer in (None, config.optimizer.name) and "fused" not in config.optimizer.args
    return own and optimizer is not None and "fused" in signature(optimizer).parameters


def _cores() -> int:
    """How many processor cores this process may use."""
    with suppress(AttributeError):  # macOS, Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _powers(most: int) -> list[int]:
    """Return the powers of two up to a number, and the number."""
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})
