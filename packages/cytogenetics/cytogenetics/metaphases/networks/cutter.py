"""The LightningModule that tells which pixels of a box belong to its chromosome."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torchmetrics import MeanMetric

from cytogenetics.metaphases.networks.picture_network import PictureNetwork

DICE_WEIGHT = 0.5
CONTAMINATED_ABOVE = 0.2  # the share of its pixels that are of other chromosomes


class Cutter(PictureNetwork):
    """Gives the mask of each chromosome; batches are those of `ComposedDataModule`.

    The features of its backbone, such as ``unet``, have the size of the image; its head makes one channel of them.
    """

    kind = "cutter"
    monitors = ("val/iou", "val/loss")
    metric = MeanMetric

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
        self.val_metric.update(agreement(logits > 0, batch["mask"] > 0)[0])
        self.log("val/iou", self.val_metric, prog_bar=True)

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
        self.log_losses({f"{part}/loss": loss}, len(masks))
        return loss

    @torch.inference_mode()
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the probabilities that pixels of images, uint8 (n, 3, H, W), are of their chromosome, (n, H, W)."""
        found: np.ndarray = self(self.batch_of(images)).sigmoid().cpu().numpy()
        return found


def agreement(masks: torch.Tensor, true: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return intersection over union of masks, bool (n, H, W), with true ones, and the share of pixels beyond these."""
    shared = (masks & true).sum(dim=(1, 2)).float()
    size = masks.sum(dim=(1, 2))
    union = size + true.sum(dim=(1, 2)) - shared
    return shared / union.clamp(min=1), 1 - shared / size.clamp(min=1)
