"""A run that SIGKILLs itself at a given batch: `python -m tests.workflows.killed_run STAGE EPOCH BATCH OVERRIDE...`."""

import os
import signal
import sys

from common.config.compose import check_config
from lightning_modules.callbacks.resumable import StepSeed
from tests.helpers.training import composed
from workflows import train


def main(stage: int, epoch: int, batch: int, overrides: list[str]) -> None:
    """Train until the batch (all counted from 0) and die there without a word."""
    seed_batch = StepSeed.on_train_batch_start

    def kill(self, trainer, pl_module, data, batch_idx):
        if (self.stage, trainer.current_epoch, batch_idx) == (stage, epoch, batch):
            os.kill(os.getpid(), signal.SIGKILL)
        seed_batch(self, trainer, pl_module, data, batch_idx)

    StepSeed.on_train_batch_start = kill
    train.run(check_config(composed(overrides)))


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:4]), sys.argv[4:])
