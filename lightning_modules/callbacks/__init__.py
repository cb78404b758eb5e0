"""What watches and steers the training."""

from lightning_modules.callbacks.patience import Patience
from lightning_modules.callbacks.progress import Progress
from lightning_modules.callbacks.pure_randomness import PureRandomness
from lightning_modules.callbacks.resume_checkpoint import ResumeCheckpoint
from lightning_modules.callbacks.staged_unfreezing import StagedUnfreezing

__all__ = ["Patience", "Progress", "PureRandomness", "ResumeCheckpoint", "StagedUnfreezing"]
