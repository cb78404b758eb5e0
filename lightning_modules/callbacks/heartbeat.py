"""What a stage of a training has used, its end, and its progress in progress.json, for the status of jobs."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from karyocyte.common.cli import say
from karyocyte.common.errors import UserError
from karyocyte.runs.facts import Progress
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.runs.stages import Stage

EVERY = 5.0  # seconds between two writes


@dataclass(eq=False)
class Heartbeat(Callback):
    """Count the images and seconds of a stage, end it after its last step, and write progress.json.

    It is written at the start of a fit, every few seconds, and at each epoch's end. The device is asked for nothing
    while batches run. A full disk does not end a training.
    """

    stage: Stage  # that is trained
    stages: int  # of the run
    steps: int  # of the optimiser in the stage
    sizes: Sequence[int]  # images of each batch of an epoch, of all processes, whose shares may differ by one
    seconds: float = 0.0  # that this stretch of the stage has taken before the fit

    state_key = "OneStage"  # in checkpoints, as of 3.0.0

    def __post_init__(self) -> None:
        self.images_seen = 0
        self.best: float | None = None
        self._began = self._written_at = time.monotonic()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, or say where a resume goes on."""
        if self.images_seen and trainer.is_global_zero:
            say(f"resumed in epoch {trainer.current_epoch + 1} of {trainer.max_epochs}")
        self.on_train_epoch_end(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the images seen; stop after the last step.

        Lightning's ``max_steps`` would leave an epoch without its validation, and so without a best checkpoint.
        """
        self.images_seen += self.sizes[batch_idx]
        if trainer.global_step >= self.steps:
            trainer.should_stop = True
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

    def state_dict(self) -> dict[str, Any]:
        """Return the stage and what it has used so far, for the checkpoint."""
        stage = {"name": self.stage.name, "number": self.stage.number}
        return {**stage, "images_seen": self.images_seen, "seconds": self.seconds + time.monotonic() - self._began}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the count of the interrupted stretch; a checkpoint of another stage is a UserError."""
        if (state_dict["name"], state_dict["number"]) != (self.stage.name, self.stage.number):
            raise UserError(f"the checkpoint is of stage {state_dict['name']!r}, not {self.stage.name!r}: remove it")
        self.images_seen = state_dict["images_seen"]
        self.seconds += state_dict["seconds"]

    def _write_if_due(self, trainer: Trainer) -> None:
        if time.monotonic() - self._written_at >= EVERY:
            self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        self._written_at = time.monotonic()
        with suppress(OSError):
            if trainer.is_global_zero:
                Run(self.stage.run).write_json(RunFile.PROGRESS, asdict(self._progress(trainer)))

    def _progress(self, trainer: Trainer) -> Progress:
        checkpoint: Any = trainer.checkpoint_callback
        return Progress(
            stage=self.stage.number + 1,
            stages=self.stages,
            stage_name=self.stage.name,
            epoch=min(trainer.current_epoch + 1, trainer.max_epochs or 0),
            epochs=trainer.max_epochs,
            step=trainer.global_step,
            monitor=checkpoint.monitor,
            best=self.best,
            updated=time.time(),
        )
