"""The LightningModule that scores boxes which may be chromosomes, and moves them to where these are."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torchmetrics.classification import BinaryAveragePrecision

from cytogenetics.metaphases.networks.picture_network import PictureNetwork

WIDTH = 64  # channels that are joined over all places of an image
HIDDEN = 128
DROPOUT = 0.2
NEAR = 0.4  # intersection over union with a true box, above which the offsets are learned
OFFSETS_WEIGHT = 2.0
UNIT = 0.25  # of the side of an image: unit of the offsets
SMOOTH = 0.05  # units of the offsets, below which their loss is quadratic


class Refinement(NamedTuple):
    """What a refiner gives for boxes."""

    best: torch.Tensor  # logits that a box is the best of its chromosome, float32, shape (n,)
    overlap: torch.Tensor  # logits of its intersection over union with a true box, float32, shape (n,)
    offsets: torch.Tensor  # of its sides, float32, shape (n, 4), see `moved_boxes`


class RefinerHead(nn.Module):
    """From features (n, channels, h, w) and the sizes of boxes, (n,), to six outputs for each.

    Args:
        channels: Of the features.
        places: h times w.
    """

    def __init__(self, channels: int, places: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(channels, WIDTH, 1), nn.ReLU())
        self.joined = nn.Sequential(
            nn.Linear(WIDTH * places + channels + 1, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, 6)
        )

    def forward(self, features: torch.Tensor, sizes: torch.Tensor) -> Refinement:
        """Return what is given for each box."""
        narrow, mean = self.narrow(features).flatten(1), features.mean(dim=(2, 3))
        outputs = self.joined(torch.cat([narrow, mean, sizes[:, None].to(mean.dtype)], dim=1)).float()
        return Refinement(outputs[:, 0], outputs[:, 1], outputs[:, 2:])


class BoxRefiner(PictureNetwork):
    """The second stage of a detector (after Ren et al., Faster R-CNN, 2015); batches are those of `ProposalDataModule`.

    Its head is a `RefinerHead`.
    """

    kind = "refiner"
    monitors = ("val/loss", "val/ap")
    metric = BinaryAveragePrecision

    def forward(self, image: torch.Tensor, size: torch.Tensor) -> Refinement:
        """Return what is given for boxes by images (n, 3, SIDE, SIDE), float in [0, 1], and their sizes, (n,)."""
        features = self.backbone.forward_features(self.normalised(image))  # type: ignore[operator]
        refined: Refinement = self.head(features, size)
        return refined

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        return self._loss("train", self(batch["image"], batch["size"]), batch)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Take a batch into the validation loss and the average precision of the best boxes."""
        refined = self(batch["image"], batch["size"])
        self._loss("val", refined, batch)
        if len(batch["index"]):
            self.val_metric.update(refined.best, batch["best"].long())
            self.log("val/ap", self.val_metric, prog_bar=True)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return "index", "box", "side", "score" and "best" of the batch, and the fields of its `Refinement`."""
        refined = self(batch["image"], batch["size"])
        of_batch = {name: batch[name] for name in ("index", "box", "side", "score", "best")}
        return {**of_batch, **{f"refined_{name}": value for name, value in refined._asdict().items()}}

    def _loss(self, part: str, refined: Refinement, batch: dict[str, Any]) -> torch.Tensor:
        cross_entropy = functional.binary_cross_entropy_with_logits
        near = batch["overlap"] > NEAR
        moved = functional.smooth_l1_loss(refined.offsets[near], batch["offsets"][near], beta=SMOOTH, reduction="sum")
        moved = moved / max(4 * int(near.sum()), 1)
        loss = refined.best.sum()  # 0, where nothing is proposed in these pictures
        if len(near):
            loss = cross_entropy(refined.best, batch["best"]) + cross_entropy(refined.overlap, batch["overlap"])
        loss = loss + OFFSETS_WEIGHT * moved
        self.log_losses({f"{part}/loss": loss, f"{part}/loss_offsets": moved}, max(len(near), 1))
        return loss

    @torch.inference_mode()
    def refine(self, images: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score and move boxes by their `ProposalImages`.

        Returns:
            The logits of ``best`` and ``overlap``, float32, shape (n, 2), and the offsets, float32, shape (n, 4).
        """
        refined = self(self.batch_of(images), torch.from_numpy(sizes).to(self.device))
        logits = torch.stack([refined.best, refined.overlap], dim=1)
        return logits.cpu().numpy(), refined.offsets.cpu().numpy()


def moved_boxes(boxes: np.ndarray, offsets: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Return boxes, shape (n, 4), whose sides are moved by offsets, shape (n, 4), in UNIT of the sides of their images.

    A box that would have a side of less than a pixel stays where it is.
    """
    moved = boxes + offsets * sides[:, None] * UNIT
    lost = (moved[:, 2:] - moved[:, :2]).min(axis=1) < 1
    return np.where(lost[:, None], boxes, moved).astype(np.float32)
