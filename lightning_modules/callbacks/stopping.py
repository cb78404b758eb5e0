"""When a stage ends before its last epoch."""

from collections import deque
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping

from common.config.schema import EarlyBreakConfig
from lightning_modules.callbacks.check_and_adjust import Hits, StepAccuracy


class EarlyBreak(StepAccuracy):
    """End a stage after the epoch in which validation and training both exceed their expectations (paper 002, 2.2.1).

    The paper checks after each epoch's validation, and asks for five mini-batches in a row. Both are asked at
    that one moment: the validation accuracy just measured must exceed its expectation, and so must the accuracy
    of each of the last five mini-batches before it (which may reach into the epoch before, where epochs are short).
    A lucky row in the middle of an epoch does not count, since the weights have changed since.

    Args:
        config: The expectations, and how many mini-batches.
    """

    def __init__(self, config: EarlyBreakConfig) -> None:
        super().__init__()
        self.config = config
        self.fired = False
        self._last: deque[Hits | float] = deque(maxlen=config.batches)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train no further epoch where the interrupted stage had ended already."""
        if self.fired:
            trainer.should_stop = True

    def after_step(self, trainer: Trainer, pl_module: LightningModule, hits: Hits) -> None:
        """Remember the newest mini-batches."""
        self._last.append(hits)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check, and ask for the end."""
        validation = float(trainer.callback_metrics["val/acc"])
        enough = len(self._last) == self.config.batches and min(self._accuracies()) > self.config.train
        if validation > self.config.validation and enough:
            self.fired = True
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the accuracies of the last mini-batches, and whether it has fired."""
        return {"accuracies": self._accuracies(), "fired": self.fired}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._last.extend(state_dict["accuracies"])
        self.fired = state_dict["fired"]

    def _accuracies(self) -> list[float]:
        return [each.accuracy if isinstance(each, Hits) else each for each in self._last]


class ResumableEarlyStopping(EarlyStopping):
    """Lightning's early stopping, which forgets on a resume that it had stopped already."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train no further epoch where the interrupted stage had used up its patience in the last one."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class MaxSteps(Callback):
    """End the stage after a number of optimiser steps, with a validation, also in the middle of an epoch.

    Lightning's ``max_steps`` leaves an epoch without its validation, and so without a best checkpoint, and it counts
    the epochs differently on a resume. ``should_stop`` does neither.

    Args:
        steps: Optimiser steps of the whole stage.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop after the last step."""
        if trainer.global_step >= self.steps:
            trainer.should_stop = True
