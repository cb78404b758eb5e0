"""What watches and steers the training."""

from lightning_modules.callbacks.batchnorm_sync import BatchNormSync
from lightning_modules.callbacks.check_and_adjust import CheckAndAdjust
from lightning_modules.callbacks.early_stopping import EarlyBreak, ResumableEarlyStopping
from lightning_modules.callbacks.ema import EMA, BestCheckpoint
from lightning_modules.callbacks.heartbeat import Heartbeat
from lightning_modules.callbacks.max_steps import MaxSteps
from lightning_modules.callbacks.metric_reporter import MetricReporter
from lightning_modules.callbacks.plateau import Plateau
from lightning_modules.callbacks.prediction_collector import PredictionCollector
from lightning_modules.callbacks.preemption import Preemption
from lightning_modules.callbacks.progress_bar import Progress
from lightning_modules.callbacks.reseed import StepSeed
from lightning_modules.callbacks.resume_checkpoint import ResumeCheckpoint
from lightning_modules.callbacks.staged_unfreezing import StagedUnfreezing

__all__ = [
    "EMA",
    "BestCheckpoint",
    "CheckAndAdjust",
    "PredictionCollector",
    "EarlyBreak",
    "MetricReporter",
    "Heartbeat",
    "ResumableEarlyStopping",
    "Plateau",
    "Preemption",
    "Progress",
    "StepSeed",
    "ResumeCheckpoint",
    "BatchNormSync",
    "StagedUnfreezing",
    "MaxSteps",
]
