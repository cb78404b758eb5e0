"""Two real processes that train together over gloo: ``run_pair`` starts them, and each goes through the same trainings.

One pair does many things: a plan is a list of trainings, each with the faults that it is to meet.
"""

import json
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from datamodules.image_datamodule import ImageDataModule
from datamodules.preprocessing import cache
from karyocyte.common.errors import UserError
from karyocyte.common.preemption import Preempted, watched
from karyocyte.composition.compose import check_config
from karyocyte.workflows.training import train
from lightning_modules.callbacks.resume import StepSeed
from tests import processes
from tests.helpers.training import leave_out_drawings, leave_out_report


@dataclass(frozen=True)
class Training:
    """One training of both processes."""

    name: str  # key of its outcome
    composed: DictConfig  # of what train.py would be given: once for both processes, since it takes long
    fault: str | None = None  # name of a function of this module that arranges for what goes wrong
    evaluated: bool = False  # at its end, which takes most of the time of a small one


def run_pair(plan: list[Training], folder: Path, seconds: float = 1800) -> dict[str, list[dict[str, Any]]]:
    """Let two processes go through the plan; return what came of each training, and under "exit" of them, in both.

    Of a training it is {"error": kind and message or None, "run": folder or None, "seconds": float}, and of a process
    {"code": int, "output": str}.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "GROUP_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    pair = []
    for rank in range(2):
        environment = shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        pair.append(processes.start(folder / f"output-{rank}.txt", environment, _go_through, plan, folder))
    try:
        codes = [processes.exit_code(process, seconds) for process in pair]
    finally:
        for process in pair:
            process.kill()
    outcomes = [json.loads((folder / f"outcomes-{rank}.json").read_text()) for rank in range(2)]
    both = {training.name: [each.get(training.name, {}) for each in outcomes] for training in plan}
    printed = [(folder / f"output-{rank}.txt").read_text() for rank in range(len(codes))]
    both["exit"] = [{"code": code, "output": text} for code, text in zip(codes, printed, strict=True)]
    return both


def _go_through(plan: list[Training], folder: Path) -> None:
    """Go through the plan, as one process of the pair, and leave the outcomes in ``folder``."""
    rank = int(os.environ["RANK"])
    outcomes = {}
    for training in plan:
        started = time.monotonic()
        outcome = {"error": None, "run": None}
        print(f"-- {training.name}", flush=True)
        with pytest.MonkeyPatch.context() as patch:
            try:
                if training.fault:
                    globals()[training.fault](patch, rank)
                with watched(first=rank == 0):
                    outcome["run"] = _trained(patch, training)
            except (Exception, Preempted) as error:
                outcome["error"] = f"{type(error).__name__}: {error}"
        outcomes[training.name] = {**outcome, "seconds": time.monotonic() - started}
        (folder / f"outcomes-{rank}.json").write_text(json.dumps(outcomes))


def _trained(patch: Any, training: Training) -> str:
    leave_out_drawings(patch)
    if not training.evaluated:
        leave_out_report(patch)
    return str(train.run(check_config(training.composed)))


def dies_in_preparing(patch: Any, rank: int) -> None:
    """The second process cannot read its images."""

    def fail(self: ImageDataModule) -> None:
        raise UserError("no disk on this node")

    if rank == 1:
        patch.setattr(ImageDataModule, "prepare_data", fail)


def second_is_signalled_in_preparing(patch: Any, rank: int) -> None:
    """The second process is asked to leave while the images are prepared, and the first one half a second later."""
    if rank == 1:
        patch.setattr(ImageDataModule, "prepare_data", lambda self: _signal())
    else:
        later = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM))
        patch.setattr(ImageDataModule, "prepare_data", lambda self: later.start())


def records_builds(patch: Any, rank: int) -> None:
    """Who builds the prepared cache writes a line, slowly enough for the other one to come too."""
    build = cache._build

    def recording(manifest: Any, config: Any, folder: Path, progress: bool) -> None:
        with (folder.parent / "built.txt").open("a") as file:
            file.write(f"{rank}\n")
        time.sleep(0.5)
        build(manifest, config, folder, progress)

    patch.setattr(cache, "_build", recording)


def stops_in_mid_epoch(patch: Any, rank: int) -> None:
    """Both processes fail at the third batch of the second stage's second epoch."""
    _at_batch(patch, (1, 1, 2), _fail)


def second_is_killed(patch: Any, rank: int) -> None:
    """The second process gets a SIGKILL in the middle of an epoch."""
    if rank == 1:
        _at_batch(patch, (0, 1, 1), lambda: os.kill(os.getpid(), signal.SIGKILL))


def second_is_signalled_first(patch: Any, rank: int) -> None:
    """The second process is asked to leave in mid-epoch, the first one two batches later."""
    _at_batch(patch, (1, 1, 1 if rank else 3), _signal)


def first_is_signalled_in_a_validation(patch: Any, rank: int) -> None:
    """The first process alone is asked to leave, in a validation."""

    def ask(self: Any, trainer: Any, model: Any, batch: Any, number: int) -> None:
        if (rank, self.stage, trainer.current_epoch, number) == (0, 1, 0, 0):
            _signal()

    patch.setattr(StepSeed, "on_validation_batch_start", ask)


def _signal() -> None:
    signal.raise_signal(signal.SIGTERM)


def _fail() -> None:
    raise RuntimeError("stopped by the test")


def _at_batch(patch: Any, place: tuple[int, int, int], do: Any) -> None:
    """Do something before a batch, its place (stage, epoch, batch) counted from 0."""
    seed_batch = StepSeed.on_train_batch_start

    def act(self: Any, trainer: Any, model: Any, batch: Any, number: int) -> None:
        if (self.stage, trainer.current_epoch, number) == place:
            do()
        seed_batch(self, trainer, model, batch, number)

    patch.setattr(StepSeed, "on_train_batch_start", act)
