"""The end of a stage in mid-epoch."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class MaxSteps(Callback):
    """End the stage after so many optimiser steps, with a validation, wherever in an epoch that is.

    Lightning's ``max_steps`` leaves an epoch without its validation, and so without a best checkpoint, and it counts
    the epochs otherwise on a resume. ``should_stop`` does neither.

    Args:
        steps: Optimiser steps of the whole stage.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask for the end once the steps are taken."""
        if trainer.global_step >= self.steps:
            trainer.should_stop = True
