"""The progress of a training in progress.json, for the status of jobs."""

import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from karyocyte.runs.facts import Progress
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.runs.stages import Stage
from lightning_modules.callbacks.one_stage import stage_callback

EVERY = 5.0  # seconds between two writes


class Heartbeat(Callback):
    """Write progress.json: at the start of a fit, every few seconds, and at each epoch's end.

    It asks the device for nothing while batches run. ``seconds_left`` is the whole length that this stage and the later
    ones may still have, at the pace of this stretch; ``steps`` are those of each. A full disk does not end a training.
    """

    def __init__(self, stage: Stage, steps: Sequence[int]) -> None:
        self.stage = stage
        self.steps = list(steps)
        self.best: float | None = None
        self._before = {"images_seen": 0.0, "seconds": 0.0}
        self._since = self._written_at = time.monotonic()
        self._from_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, where a resume goes on too."""
        self._before = spent_before(self.stage)
        self._since = time.monotonic()
        self._from_step = trainer.global_step
        self.on_train_epoch_end(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write when it is due."""
        self._write_if_due(trainer)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Write also during a long validation."""
        self._write_if_due(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write after the validation of the epoch, with its score: only here, since it lies on the device."""
        checkpoint: Any = trainer.checkpoint_callback
        if checkpoint.best_model_score is not None and math.isfinite(checkpoint.best_model_score):
            self.best = float(checkpoint.best_model_score)
        self._write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write that only the later stages are left, wherever this one ended."""
        self._write(trainer, over=True)

    def seconds_left(self, step: int, seconds: float, over: bool = False) -> float | None:
        """Return the seconds that are left at the pace of this stretch; None before its first step.

        The stage took ``step`` optimiser steps, this stretch ``seconds``; ``over`` is whether the stage has ended.
        """
        left = sum(self.steps[1:])
        if not over:
            left += max(0, self.steps[0] - step)
        if left == 0:
            return 0.0
        taken = step - self._from_step
        return left * seconds / taken if taken > 0 else None

    def _write_if_due(self, trainer: Trainer) -> None:
        if time.monotonic() - self._written_at >= EVERY:
            self._write(trainer)

    def _write(self, trainer: Trainer, over: bool = False) -> None:
        self._written_at = time.monotonic()
        with suppress(OSError):
            if trainer.is_global_zero:
                Run(self.stage.run).write_progress(self._progress(trainer, over))

    def _progress(self, trainer: Trainer, over: bool) -> Progress:
        spent = stage_callback(trainer).state_dict()
        checkpoint: Any = trainer.checkpoint_callback
        step = trainer.global_step
        return Progress(
            stage=self.stage.number + 1,
            stages=self.stage.number + len(self.steps),
            stage_name=self.stage.name,
            epoch=min(trainer.current_epoch + (not over), trainer.max_epochs or 0),
            epochs=trainer.max_epochs,
            step=step,
            steps=self.steps[0],
            over=over,
            images_seen=int(self._before["images_seen"]) + spent["images_seen"],
            monitor=checkpoint.monitor,
            best=self.best,
            seconds=self._before["seconds"] + spent["seconds"],
            seconds_left=self.seconds_left(step, self._written_at - self._since, over),
            updated=time.time(),
            processes=trainer.world_size,
        )


def spent_before(stage: Stage) -> dict[str, float]:
    """Return {"images_seen", "seconds"} of the finished stages of a run."""
    spent = {"images_seen": 0.0, "seconds": 0.0}
    for path in stage.folder.parent.glob(f"*/{RunFile.STAGE}"):
        record = json.loads(path.read_text())
        for name in spent:
            spent[name] += record[name]
    return spent
