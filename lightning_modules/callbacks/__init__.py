"""What watches and steers the training."""

from lightning_modules.callbacks.batchnorm_sync import SharedStatistics
from lightning_modules.callbacks.check_and_adjust import CheckAndAdjust
from lightning_modules.callbacks.early_stopping import EarlyBreak, Patience
from lightning_modules.callbacks.ema import Averaging, BestCheckpoint
from lightning_modules.callbacks.heartbeat import Heartbeat
from lightning_modules.callbacks.max_steps import StepLimit
from lightning_modules.callbacks.metric_reporter import EpochReport
from lightning_modules.callbacks.plateau import Plateau
from lightning_modules.callbacks.prediction_collector import Collecting
from lightning_modules.callbacks.preemption import Preemption
from lightning_modules.callbacks.progress_bar import Progress
from lightning_modules.callbacks.reseed import PureRandomness
from lightning_modules.callbacks.resume_checkpoint import ResumeCheckpoint
from lightning_modules.callbacks.staged_unfreezing import StagedUnfreezing

__all__ = [
    "Averaging",
    "BestCheckpoint",
    "CheckAndAdjust",
    "Collecting",
    "EarlyBreak",
    "EpochReport",
    "Heartbeat",
    "Patience",
    "Plateau",
    "Preemption",
    "Progress",
    "PureRandomness",
    "ResumeCheckpoint",
    "SharedStatistics",
    "StagedUnfreezing",
    "StepLimit",
]
