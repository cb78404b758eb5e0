"""What watches and steers the training."""

from lightning_modules.callbacks.batchnorm_sync import BatchNormSync
from lightning_modules.callbacks.check_and_adjust import CheckAndAdjust
from lightning_modules.callbacks.ema import EMA, BestCheckpoint
from lightning_modules.callbacks.heartbeat import Heartbeat
from lightning_modules.callbacks.metric_reporter import MetricReporter
from lightning_modules.callbacks.plateau import PlateauStep
from lightning_modules.callbacks.prediction_collector import PredictionCollector
from lightning_modules.callbacks.preemption import Preemption
from lightning_modules.callbacks.reseed import StepSeed
from lightning_modules.callbacks.resume_checkpoint import ResumeCheckpoint
from lightning_modules.callbacks.staged_unfreezing import StagedUnfreezing
from lightning_modules.callbacks.stopping import EarlyBreak, MaxSteps, ResumableEarlyStopping

__all__ = [
    "EMA",
    "BestCheckpoint",
    "CheckAndAdjust",
    "PredictionCollector",
    "EarlyBreak",
    "MetricReporter",
    "Heartbeat",
    "ResumableEarlyStopping",
    "PlateauStep",
    "Preemption",
    "StepSeed",
    "ResumeCheckpoint",
    "BatchNormSync",
    "StagedUnfreezing",
    "MaxSteps",
]
