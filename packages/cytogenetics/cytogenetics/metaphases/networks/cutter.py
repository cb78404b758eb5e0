"""The LightningModule that tells which pixels of a box belong to its chromosome."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torchmetrics import MeanMetric

from cytogenetics.portable.pictures import PictureNetworks
from karyocyte.runs.facts import ModelFacts
from lightning_modules.modules.staged_module import StagedModule
from lightning_modules.optimizers import TrainingSettings

DICE_WEIGHT = 0.5
CONTAMINATED_ABOVE = 0.2  # the share of its pixels that are of other chromosomes


class Cutter(StagedModule):
    """Gives the mask of each chromosome; batches are those of `ComposedDataModule`.

    Args:
        backbone: A network whose features have the size of the image, such as ``unet``.
        head: From its features to one channel.
        facts: Channel means and standard deviations that the backbone expects, and timm's arguments.
        settings: Optimiser, schedule and learning rate; its loss is not used.
    """

    kind: ClassVar[PictureNetworks] = "cutter"
    monitors = ("val/iou", "val/loss")

    def __init__(self, backbone: nn.Module, head: nn.Module, facts: ModelFacts, settings: TrainingSettings) -> None:
        super().__init__(backbone, head, facts)
        self.settings = settings
        self.lr = settings.lr
        self.val_iou = MeanMetric()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits of pixels of images (n, 3, H, W), float in [0, 1]: float32, (n, H, W)."""
        features = self.backbone.forward_features(self.normalised(image))  # type: ignore[operator]
        logits: torch.Tensor = self.head(features)[:, 0].float()
        return logits

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        return self._loss("train", self(batch["image"]), batch["mask"].float())

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Take a batch into the validation loss and the mean intersection over union."""
        logits = self(batch["image"])
        self._loss("val", logits, batch["mask"].float())
        self.val_iou.update(agreement(logits > 0, batch["mask"] > 0)[0])
        self.log("val/iou", self.val_iou, prog_bar=True)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return "index" and, in "network_iou" and "network_others", the ``agreement`` of masks, float32 (n,)."""
        iou, others = agreement(self(batch["image"]) > 0, batch["mask"] > 0)
        return {"index": batch["index"], "network_iou": iou, "network_others": others}

    def _loss(self, part: str, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        probabilities = logits.sigmoid()
        shared = (probabilities * masks).sum(dim=(1, 2))
        both = (probabilities + masks).sum(dim=(1, 2))
        dice = 1 - (2 * shared + 1) / (both + 1)
        loss = functional.binary_cross_entropy_with_logits(logits, masks) + DICE_WEIGHT * dice.mean()
        options: Any = {"on_epoch": True, "on_step": False, "sync_dist": True, "batch_size": len(masks)}
        self.log(f"{part}/loss", loss, **options)
        return loss

    @torch.inference_mode()
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities that pixels of images, uint8 (n, 3, H, W), are of their chromosome, (n, H, W)."""
        scaled = torch.from_numpy(images).to(self.device).float() / 255
        found: np.ndarray = self(scaled).sigmoid().cpu().numpy()
        return found


def agreement(masks: torch.Tensor, true: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return intersection over union of masks, bool (n, H, W), with true ones, and the share of pixels beyond these."""
    shared = (masks & true).sum(dim=(1, 2)).float()
    size = masks.sum(dim=(1, 2))
    union = size + true.sum(dim=(1, 2)) - shared
    return shared / union.clamp(min=1), 1 - shared / size.clamp(min=1)
