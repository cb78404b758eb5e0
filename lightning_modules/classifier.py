"""The one LightningModule: normalise, backbone, head, loss, metrics, optimiser of the present stage."""

from typing import Any

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningModule
from torch import nn
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    BinaryAccuracy,
    BinaryAUROC,
    MulticlassAccuracy,
    MulticlassAUROC,
    MulticlassF1Score,
)

from common.config.schema import LossConfig, OptimizerConfig, SchedulerConfig
from common.errors import UserError
from lightning_modules.distributed import processes, summed
from lightning_modules.optimizers import build_optimizer, build_scheduler


class Classifier(LightningModule):
    """A backbone and a head that map images to logits.

    Which parameters train, and at which rate, is the business of the stage: see ``StagedUnfreezing``.

    Args:
        backbone: Has ``forward_features``: (B, C, H, W) -> features.
        head: Features -> logits (B, K); K = 1 says the log-odds of class 1, the positive class.
        mean: Per channel, of images in [0, 1]: what the backbone's weights expect.
        std: Per channel, likewise.
        classes: How many classes there are.
        loss: The training loss.
        optimizer: The optimiser's class and arguments, where the stage names no other.
        scheduler: The course of the learning rate within a stage.
        class_weights: float, shape (classes,): the weight of each class in the training loss; None weighs all alike.
        network_args: timm's arguments that the backbone was built with, those of its weights' side file among them.
    """

    def __init__(  # noqa: PLR0913
        self,
        backbone: nn.Module,
        head: nn.Module,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        classes: int,
        loss: LossConfig,
        optimizer: OptimizerConfig,
        scheduler: SchedulerConfig,
        class_weights: torch.Tensor | None = None,
        network_args: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.classes = classes
        self.loss_config = loss
        self.optimizer_config = optimizer
        self.scheduler_config = scheduler
        # A model without classifier is what every backbone is, said or not.
        self.network_args = {key: value for key, value in (network_args or {}).items() if key != "num_classes"}
        self.learning_rate = 0.0
        self.stage_steps = 0
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        if class_weights is None:
            weights = None
        else:
            weights = class_weights.float()
        self.register_buffer("class_weights", weights, persistent=False)
        self.train_accuracy = _accuracy(classes)
        self.val_metrics = _validation_metrics(classes)

    def facts(self) -> dict[str, Any]:
        """Return what the weights alone do not say: the scaling of the images, and timm's arguments.

        Whoever loads the weights, or starts from them, must share it.
        """
        scaling = {"mean": self.mean.flatten().tolist(), "std": self.std.flatten().tolist()}
        return {**scaling, "args": self.network_args}

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits, float, shape (B, K), of images (B, C, H, W), float in [0, 1]."""
        return self.head(self.features(image))

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the head is given, shape (B, ...), of images (B, C, H, W), float in [0, 1]."""
        # The batch is scaled to float32 after Lightning has converted it to the precision of the weights.
        image = (image.to(self.mean.dtype) - self.mean) / self.std
        return self.backbone.forward_features(image)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the probability of every class, shape (B, classes), rows sum to 1, of logits (B, K)."""
        if logits.shape[1] == 1:
            positive = torch.sigmoid(logits)
            return torch.cat([1 - positive, positive], dim=1)
        return torch.softmax(logits, dim=1)

    def loss(self, logits: torch.Tensor, label: torch.Tensor, weighted: bool) -> torch.Tensor:
        """Return the (weighted) mean loss: binary cross-entropy for one logit, cross-entropy for more.

        Args:
            logits: float, shape (B, K).
            label: int64, shape (B,), class indices.
            weighted: Use the class weights and the label smoothing (training), or neither (validation).
        """
        if weighted:
            weights = self.class_weights
        else:
            weights = None
        if logits.shape[1] == 1:
            target = label.to(logits.dtype).unsqueeze(1)
            if weights is None:
                per_image = torch.ones_like(target)
            else:
                per_image = weights[label].unsqueeze(1)
            losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
            return (per_image * losses).sum() / per_image.sum()  # as cross_entropy weighs
        if weighted:
            smoothing = self.loss_config.label_smoothing
        else:
            smoothing = 0.0
        return F.cross_entropy(logits, label, weight=weights, label_smoothing=smoothing)

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the loss of a batch, and which images are called rightly; log the epoch's mean loss and accuracy.

        Returns:
            {"loss": float, scalar, "correct": bool (B,)}
        """
        logits = self(batch["image"])
        label = batch["label"]
        loss, share = self._shared(self.loss(logits, label, weighted=True), label)
        scores = self._scores(logits.detach())
        self.train_accuracy.update(scores, label)
        if self.classes == 2:
            called = (scores > 0.5).long()
        else:
            called = scores.argmax(1)
        each_epoch: dict[str, Any] = {"on_step": False, "on_epoch": True, "batch_size": len(label)}
        self.log("train/loss", share, prog_bar=True, sync_dist=True, **each_epoch)
        self.log("train/acc", self.train_accuracy, **each_epoch)
        return {"loss": loss, "correct": called == label}

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Log the validation loss and metrics of the epoch."""
        logits = self(batch["image"])
        label = batch["label"]
        loss = self.loss(logits, label, weighted=False)
        self.val_metrics.update(self._scores(logits), label)
        self.log("val/loss", loss, prog_bar=True, batch_size=len(label), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics over the whole validation part and, in a training, the rate that its epoch ended with."""
        if self.trainer.optimizers:
            self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        self.log_dict(self.val_metrics.compute())
        self.val_metrics.reset()

    def predict_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return {"index": int64 (B,), "probability": float32 (B, classes)} of a batch."""
        return {"index": batch["index"], "probability": self.probabilities(self(batch["image"]).float())}

    def configure_optimizers(self) -> Any:
        """Build the optimiser over what trains in the present stage, with its scheduler."""
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        if not trainable:
            raise UserError("nothing trains in this stage: unfreeze a module, or give the head a layer")
        optimizer = build_optimizer(self.optimizer_config, trainable, self.learning_rate)
        scheduler = build_scheduler(self.scheduler_config, optimizer, self.learning_rate, self.stage_steps)
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def _shared(self, loss: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What this process adds to the (weighted) mean loss of the global batch, of which it has a share.

        The processes may have different numbers of images, of different weights.

        Args:
            loss: Its own (weighted) mean loss, scalar.
            label: int64, shape (B,), of its own images.

        Returns:
            A loss whose mean over the processes is that of the global batch, so that DDP, which averages
            the gradients, trains as one process does. And one whose mean over all images of an epoch, each weighing as
            its process's images do, is the epoch's.
        """
        if processes() == 1:
            return loss, loss
        ones = torch.ones_like(label, dtype=torch.float64)
        if self.class_weights is None:
            weights = ones
        else:
            weights = self.class_weights[label].double()
        weight = weights.sum()
        weight_of_all, images_of_all = summed(torch.stack([weight, ones.sum()]))
        share = loss * (weight * processes() / weight_of_all).to(loss.dtype)
        return share, share.detach() * (images_of_all / (processes() * len(label))).to(loss.dtype)

    def _scores(self, logits: torch.Tensor) -> torch.Tensor:
        """What the metrics take: the positive class's probability for two classes, else all of them."""
        probability = self.probabilities(logits.float())
        if self.classes == 2:
            return probability[:, 1]
        return probability


def _accuracy(classes: int) -> nn.Module:
    if classes == 2:
        return BinaryAccuracy()
    return MulticlassAccuracy(classes, average="micro")


class _BinaryWeightedF1(MulticlassF1Score):
    """Weighted F1 of two classes from the positive class's probability, called at 0.5."""

    def __init__(self) -> None:
        super().__init__(2, average="weighted")

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        super().update((preds >= 0.5).long(), target)


def _validation_metrics(classes: int) -> MetricCollection:
    if classes == 2:
        metrics: dict[str, Any] = {"acc": BinaryAccuracy(), "auc": BinaryAUROC(), "f1_weighted": _BinaryWeightedF1()}
    else:
        metrics = {
            "acc": MulticlassAccuracy(classes, average="micro"),
            "auc": MulticlassAUROC(classes),
            "f1_weighted": MulticlassF1Score(classes, average="weighted"),
        }
    # Each keeps its own state: sharing it would need an update before the collection is used.
    return MetricCollection(metrics, prefix="val/", compute_groups=False)
