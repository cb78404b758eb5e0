"""The LightningModule that finds chromosomes in pictures of metaphases."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from cytogenetics.images.boxes import average_precision, match, overlaps
from cytogenetics.metaphases.networks.network import Maps, decode, levels_of
from cytogenetics.metaphases.networks.picture_network import PictureNetwork
from cytogenetics.metaphases.networks.targets import SIDES_WEIGHT, detection_loss

LEVELS = {"ap50": 0.5, "ap75": 0.75}  # intersection over union that a right box needs
MULTIPLE = 32  # of pixels that height and width of a picture are padded to


class DetectionScores(Metric):
    """The average precision of the boxes of an epoch, at each of LEVELS."""

    full_state_update = False
    scores: list[torch.Tensor]
    right: list[torch.Tensor]
    boxes: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("right", [], dist_reduce_fx="cat")
        self.add_state("boxes", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, found: torch.Tensor, scores: torch.Tensor, boxes: Sequence[torch.Tensor]) -> None:
        """Take the boxes of pictures (B, n, 4), their scores (B, n) and the true ones, (m, 4) of each picture."""
        for of_picture, certain, true in zip(found, scores, boxes, strict=True):
            overlap = overlaps(of_picture[certain > 0].cpu().numpy(), true.cpu().numpy())
            right = [torch.from_numpy(match(overlap, least) >= 0) for least in LEVELS.values()]
            self.scores.append(certain[certain > 0])
            self.right.append(torch.stack(right, dim=1).to(certain.device))
            self.boxes += len(true)

    def compute(self) -> dict[str, float]:
        """Return the average precision by the names of LEVELS."""
        scores = dim_zero_cat(self.scores).float().cpu().numpy()
        right = dim_zero_cat(self.right).cpu().numpy().T
        return {name: average_precision(scores, one, int(self.boxes)) for name, one in zip(LEVELS, right, strict=True)}


class Detector(PictureNetwork):
    """Finds the centres and sides of chromosomes, whatever their class (after CenterNet, Zhou et al. 2019).

    Its backbone is a ResNet, its head a `CentreDecoder`; batches are those of `MetaphaseDataModule`.
    """

    kind = "detector"
    monitors = ("val/loss", *map("val/{}".format, LEVELS))
    metric = DetectionScores

    def forward(self, image: torch.Tensor) -> Maps:
        """Return the maps of gray pictures (B, 1, H, W), float in [0, 1], of height and width divisible by 16."""
        maps: Maps = self.head(levels_of(self.backbone, self.normalised(image)))
        return maps

    def find(self, image: torch.Tensor, maps: Maps | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the boxes of pictures and their scores, see ``decode``, by the means over picture and mirror image.

        ``maps`` are those of the pictures, where they are known.
        """
        straight = maps or self(image)
        mirrored = self(image.flip(-1)).mirrored()
        centres = (straight.centres.sigmoid() + mirrored.centres.sigmoid()) / 2
        return decode(Maps(torch.logit(centres), (straight.sides + mirrored.sides) / 2))

    @torch.inference_mode()
    def find_in_picture(self, picture: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Find the chromosomes of a picture, bright on black, uint8 gray, (H, W), that is scaled by ``scale``.

        Returns:
            Boxes in pixels of the picture before it was scaled, float32, (n, 4), and their scores, float32, (n,).
        """
        height, width = picture.shape
        padded = np.pad(picture, ((0, -height % MULTIPLE), (0, -width % MULTIPLE)))
        boxes, scores = (one[0].cpu().numpy() for one in self.find(self.batch_of(padded[None, None])))
        kept = scores > 0
        limits = np.array([width, height] * 2, np.float32)
        return boxes[kept].clip(0, limits) / np.float32(scale), scores[kept]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        return self._loss("train", self(batch["image"]), batch)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Take a batch into the validation loss and the average precision of the epoch."""
        maps = self(batch["image"])
        self._loss("val", maps, batch)
        self.val_metric.update(*self.find(batch["image"], maps), batch["boxes"])

    def on_validation_epoch_end(self) -> None:
        """Log the average precision over the whole validation part and, in a training, the learning rate."""
        if self.trainer.optimizers:
            self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        for name, value in self.val_metric.compute().items():
            self.log(f"val/{name}", value, prog_bar=True)
        self.val_metric.reset()

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return {"index": int64 (B,), "boxes": float32 (B, n, 4), "scores": float32 (B, n)}, see ``decode``."""
        boxes, scores = self.find(batch["image"])
        return {"index": batch["index"], "boxes": boxes, "scores": scores}

    def _loss(self, part: str, maps: Maps, batch: dict[str, Any]) -> torch.Tensor:
        centres, sides = detection_loss(maps, batch["image"], batch["boxes"])
        loss = centres + SIDES_WEIGHT * sides
        self.log_losses({f"{part}/loss": loss, f"{part}/loss_sides": sides}, len(batch["image"]))
        return loss
