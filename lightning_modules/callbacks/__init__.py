"""What watches and steers the training."""

from lightning_modules.callbacks.averaging import Averaging, BestCheckpoint
from lightning_modules.callbacks.check_and_adjust import CheckAndAdjust
from lightning_modules.callbacks.collecting import Collecting
from lightning_modules.callbacks.early_break import EarlyBreak
from lightning_modules.callbacks.epoch_report import EpochReport
from lightning_modules.callbacks.heartbeat import Heartbeat
from lightning_modules.callbacks.patience import Patience
from lightning_modules.callbacks.plateau import Plateau
from lightning_modules.callbacks.preemption import Preemption
from lightning_modules.callbacks.progress import Progress
from lightning_modules.callbacks.pure_randomness import PureRandomness
from lightning_modules.callbacks.resume_checkpoint import ResumeCheckpoint
from lightning_modules.callbacks.shared_statistics import SharedStatistics
from lightning_modules.callbacks.staged_unfreezing import StagedUnfreezing
from lightning_modules.callbacks.step_limit import StepLimit

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
