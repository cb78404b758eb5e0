"""What the networks of pictures of metaphases have in common as LightningModules."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torchmetrics import Metric

from cytogenetics.trained.pictures import DetectorDescription, PictureNetworks
from karyocyte.runs.facts import ModelFacts
from lightning_modules.modules.staged_module import StagedModule
from lightning_modules.optimizers import TrainingSettings


class PictureNetwork(StagedModule):
    """A network of one of the kinds `PictureNetworks`.

    Args:
        backbone: A network of timm, or ``unet``, whole or cut.
        head: What reads its features.
        facts: Channel means and standard deviations that the backbone expects, and timm's arguments.
        settings: Optimiser, schedule and learning rate; its loss is not used.
    """

    kind: ClassVar[PictureNetworks]
    monitors: ClassVar[tuple[str, ...]]  # what may choose the best epoch
    metric: ClassVar[type[Metric]]  # of the validation part
    description: DetectorDescription  # of a trained one, see ``load``

    def __init__(self, backbone: nn.Module, head: nn.Module, facts: ModelFacts, settings: TrainingSettings) -> None:
        super().__init__(backbone, head, facts)
        self.settings = settings
        self.lr = settings.lr
        self.val_metric = self.metric()

    def log_losses(self, losses: Mapping[str, torch.Tensor], count: int) -> None:
        """Log the losses of a batch of so many images by their names, such as "val/loss", for the mean of the epoch."""
        self.log_dict(losses, on_epoch=True, on_step=False, sync_dist=True, batch_size=count)

    def batch_of(self, images: np.ndarray) -> torch.Tensor:
        """Return images, uint8, (n, C, H, W), in [0, 1] where the network computes."""
        return torch.from_numpy(images).to(self.device).float() / 255
