"""What watches a stage of a training: its loss, what it has used, the memory that it frees, and how far it is."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.common.memory import return_freed_memory
from karyocyte.runs.facts import Progress
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.runs.stages import RunStage

EVERY = 5.0  # seconds between two writes of progress.json
LINES = 5  # of a fit, at most, where there is no bar
FREED_BATCHES = 2  # the first ones, after which memory is returned
MOMENTS = 2  # tensors of the size of a parameter that Adam keeps; most others keep as many or fewer


@dataclass(eq=False)
class StageWatch(Callback):
    """Watch a stage; end it after its last step, and by a ``UserError`` at a loss that is no number.

    - No weights of such a loss are validated or saved. On a CPU every loss is checked before its gradients are
      computed. On an accelerator, which looking at a number would stop until it has computed it, the sum of an epoch's
      losses is. With ``precision=16-mixed`` a loss may overflow once in a while: such steps are skipped.
    - progress.json is written at the start of a fit, every few seconds, and at each epoch's end. The device is asked
      for nothing while batches run. A full disk does not end a training.
    - The peak memory of a fit on a CPU stays near that of a single step: the process keeps what it frees
      (`keep_freed_memory`). The optimiser makes its moments in the first step, between the gradients, where they would
      split the room that the next steps need: room for them is taken before that step, and given back for them when
      its gradients are there. What the first two steps and the whole fit have freed is returned to the system
      (`results/memory.csv`).
    """

    stage: RunStage  # that is trained
    stages: int  # of the run
    steps: int  # of the optimiser in the stage
    sizes: Sequence[int]  # images of each batch of an epoch, of all processes, whose shares may differ by one
    seconds: float = 0.0  # that this stretch of the stage has taken before the fit
    prints: bool = False  # the losses of some epochs, evenly spaced, a line each

    state_key = "OneStage"  # in checkpoints, as of 3.0.0

    def __post_init__(self) -> None:
        self.images_seen = 0
        self.best: float | None = None
        self.room: list[torch.Tensor] = []
        self._losses: torch.Tensor | None = None  # the sum of those that are not checked yet
        self._batches = 0
        self._began = self._written_at = time.monotonic()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, or say where a resume goes on; take room for moments, which a resumed optimiser has already."""
        if pl_module.device.type == "cpu" and not any(optimizer.state for optimizer in trainer.optimizers):
            trained = [parameter for parameter in pl_module.parameters() if parameter.requires_grad]
            self.room = [torch.empty_like(parameter) for parameter in trained for _ in range(MOMENTS)]
        if self.images_seen and trainer.is_global_zero:
            say(f"resumed in epoch {trainer.current_epoch + 1} of {trainer.max_epochs}")
        self._write_with_best(trainer)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        """Add the loss."""
        self._losses = loss.detach() if self._losses is None else self._losses + loss.detach()
        if loss.device.type == "cpu":
            self._check_losses(trainer)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Give the room for moments back."""
        self.room = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the images seen; stop after the last step.

        Lightning's ``max_steps`` would leave an epoch without its validation, and so without a best checkpoint.
        """
        self.images_seen += self.sizes[batch_idx]
        if trainer.global_step >= self.steps:
            trainer.should_stop = True
        self._batches += 1
        if self._batches <= FREED_BATCHES:
            return_freed_memory()
        self._write_if_due(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the losses before the weights are compared."""
        self._check_losses(trainer)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        """Write progress.json also during a long validation."""
        self._write_if_due(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the epoch, whose validation is over; the last one of a stage is reported with the stage."""
        self._write_with_best(trainer)
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        if self.prints and trainer.is_global_zero and epoch < epochs and epoch % math.ceil(epochs / LINES) == 0:
            metrics = [f"{name} {value:.3f}" for name, value in sorted(trainer.progress_bar_metrics.items())]
            console.print(f"  epoch {epoch}/{epochs}: {', '.join(metrics)}", highlight=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Return the memory of the fit: predictions lay out theirs in another way."""
        return_freed_memory()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Check the losses before the weights are saved."""
        self._check_losses(trainer)

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

    def _check_losses(self, trainer: Trainer) -> None:
        total, self._losses = self._losses, None
        if total is not None and trainer.precision != "16-mixed" and not math.isfinite(float(total)):
            name = self.stage.name
            raise UserError(
                f"stage {name}, epoch {trainer.current_epoch + 1}: the loss is {float(total)}: lower "
                f"unfreeze.stages.{name}.lr; the best weights so far are in {self.stage.folder}"
            )

    def _write_with_best(self, trainer: Trainer) -> None:
        """Write progress.json with the best score so far: only between epochs, since it lies on the device."""
        checkpoint: Any = trainer.checkpoint_callback
        if checkpoint.best_model_score is not None and math.isfinite(checkpoint.best_model_score):
            self.best = float(checkpoint.best_model_score)
        self._write(trainer)

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
