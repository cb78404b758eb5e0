"""The LightningModule that is trained: normalisation, backbone, head, loss, metrics and optimiser."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_lightning import LightningModule
from torch import nn
from torchmetrics import MetricCollection
from torchmetrics.classification import AUROC, Accuracy, Precision, Recall

from common.config.defaults import layered_value
from common.config.schema import LossConfig, ModelConfig, OptimizerConfig, SchedulerConfig, StageConfig
from common.errors import UserError
from common.runs.run import ModelFacts
from lightning_modules.backbones.backbone import Backbone, build_backbone, check_modules, set_modes, set_trainable
from lightning_modules.backbones.batchnorm_adaptation import adapt_batchnorm
from lightning_modules.backbones.batchnorm_restoration import restore_batchnorm
from lightning_modules.backbones.heads import build_head
from lightning_modules.backbones.pretrained import build_pretrained
from lightning_modules.backbones.truncation import features_of
from lightning_modules.checkpoint_io import load_checkpoint, read_checkpoint
from lightning_modules.distributed import all_reduce, current_world
from lightning_modules.epoch_metrics import EpochScores, MeanLoss, WeightedF1
from lightning_modules.optimizers import build_optimizer, build_scheduler, stage_optimizer
from lightning_modules.orientation import marginal_logits, turn_half


@dataclass(frozen=True)
class TrainingSettings:
    """How a classifier is trained.

    Attributes:
        loss: The training loss.
        optimizer: The optimiser; a stage may have another one.
        scheduler: The course of the learning rate within a fit.
        class_weights: Weight of each class in the training loss, float, shape (classes,); None weighs all alike.
        lr: Learning rate; a stage has its own.
    """

    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig(name="Adam")
    scheduler: SchedulerConfig = SchedulerConfig(name="none")
    class_weights: torch.Tensor | None = None
    lr: float = 1e-3


class Classifier(LightningModule):
    """A backbone and a head that map images to logits.

    In a notebook, ``create`` builds one by names; any Trainer fits it:

        model = Classifier.create("resnet50", num_classes=2, cut="layer3", weights="resnet50.tv_in1k", lr=1e-3)
        Trainer(max_epochs=5).fit(model, datamodule=data)

    Batches are {"image": float (B, 3, H, W) in [0, 1], "label": int64 (B,)}, for predictions with "index": int64 (B,).
    All parameters train unless ``configure_stage`` was called, as the callback ``StagedUnfreezing`` does.

    Args:
        backbone: Has ``forward_features``: (B, C, H, W) -> features.
        head: Features -> logits (B, K); K = 1 is the log-odds of class 1, the positive class.
        num_classes: Number of classes.
        facts: Channel means and standard deviations that the backbone's weights expect, and timm's arguments.
        settings: Loss, optimiser, schedule and learning rate.
        orientation: The head has two outputs per class, (B, 2K): K upright, then K upside down. The training images are
            upright; every second one is turned by 180 degrees (``lightning_modules.orientation``).
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        num_classes: int,
        facts: ModelFacts,
        settings: TrainingSettings = TrainingSettings(),  # noqa: B008 (frozen)
        orientation: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.folded_batchnorm: tuple[str, ...] = ()
        self._features_of: Callable[[nn.Module, torch.Tensor], Any] = features_of
        self.num_classes = num_classes
        self.orientation = orientation
        self.settings = settings
        self.stage: StageConfig | None = None
        self.steps: int | None = None
        # "num_classes": 0 is implied by a backbone.
        self.network_args = {key: value for key, value in facts.args.items() if key != "num_classes"}
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.class_weights: torch.Tensor | None
        self.register_buffer("mean", torch.tensor(facts.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(facts.std).view(1, -1, 1, 1), persistent=False)
        weights = settings.class_weights
        self.register_buffer("class_weights", None if weights is None else weights.float(), persistent=False)
        task: Literal["binary", "multiclass"] = "binary" if num_classes == 2 else "multiclass"
        self.train_loss = MeanLoss()
        self.train_scores = EpochScores(num_classes)
        metrics: dict[str, Any] = {
            "acc": Accuracy(task, num_classes=num_classes, average="micro"),
            "auc": AUROC(task, num_classes=num_classes),
            "f1_weighted": WeightedF1(num_classes),
            "precision": Precision(task, num_classes=num_classes, average="macro"),
            "recall": Recall(task, num_classes=num_classes, average="macro"),
        }
        # Each keeps its own state: sharing it would need an update before the collection is used.
        self.val_metrics = MetricCollection(metrics, prefix="val/", compute_groups=False)
        self.test_metrics = self.val_metrics.clone(prefix="test/")

    @classmethod
    def create(
        cls,
        backbone: str,
        num_classes: int,
        *,
        cut: str | None = None,
        weights: str = "random",
        image_size: int = 224,
        lr: float = 1e-3,
    ) -> "Classifier":
        """Build a classifier of a timm network, global average pooling and one linear layer, trained by Adam.

        Args:
            backbone: timm's name of the network, or one of `lightning_modules.networks`.
            num_classes: Number of classes; two share one logit.
            cut: Name of the module whose output are the features; None for the whole network.
            weights: One of timm's tags, the name of a file in the folder of KARYOCYTE_WEIGHTS_DIR, the path of a
                .safetensors file with its side file, "hf-hub:<owner>/<repository>", "local-dir:<folder>", or "random".
            image_size: Side of the images in pixels.
            lr: Learning rate.

        Raises:
            UserError: A name, a weights file or the size does not fit.
        """
        model = ModelConfig(name=backbone, args={}, cut=cut, weights=weights)
        network, info = build_pretrained(model, weights, image_size, weights_dir=layered_value("weights_dir"))
        facts = ModelFacts(list(info.mean), list(info.std), info.args)
        built = {"backbone": backbone, "num_classes": num_classes, "cut": cut, "image_size": image_size, "lr": lr}
        return cls._from_hyperparameters(network, {**built, "facts": asdict(facts)})

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path) -> "Classifier":  # type: ignore[override]  # no options
        """Load a classifier that ``create`` has built from a checkpoint of Lightning, on the CPU, in training mode.

        The file is enough: the weights that the training began with are not needed.

        Raises:
            UserError: The file is missing, or ``create`` did not build its classifier.
        """
        path = Path(checkpoint_path)
        settings = read_checkpoint(path).get(cls.CHECKPOINT_HYPER_PARAMS_KEY)
        if not settings:
            remedy = "a run of train.py is loaded by lightning_modules.load.load_run(<its folder>).classifier"
            raise UserError(f"{path} is of no classifier that Classifier.create has built; {remedy}")
        arguments = settings["facts"]["args"]
        network = build_backbone(settings["backbone"], arguments, settings["cut"], settings["image_size"])
        model = cls._from_hyperparameters(network, settings)
        load_checkpoint(model, path)
        return model

    @classmethod
    def _from_hyperparameters(cls, network: Backbone, settings: dict[str, Any]) -> "Classifier":
        classes = settings["num_classes"]
        logits = 1 if classes == 2 else classes
        head = build_head(["gap"], network.out_shape, logits, network.layout, network.prefix_tokens)
        model = cls(network.module, head, classes, ModelFacts(**settings["facts"]), TrainingSettings(lr=settings["lr"]))
        model.save_hyperparameters(settings)
        return model

    def compile_backbone(self) -> None:
        """Run the backbone as torch compiles it, at the first batch of each stage and kind of batch."""
        self._features_of = torch.compile(features_of)

    def configure_stage(self, stage: StageConfig, steps: int | None = None) -> None:
        """Freeze and unfreeze as a stage asks for; optimiser, schedule and BatchNorm follow it from now on.

        Args:
            stage: What trains, how and at which rate.
            steps: Number of optimiser steps that the scheduler plans for; None: Lightning's estimate.

        Raises:
            UserError: The backbone has no such module.
        """
        check_modules(self.backbone, stage.train)
        set_trainable(self.backbone, stage.train)
        self.head.requires_grad_(True)
        self.stage = stage
        self.steps = steps
        self.train()

    def count_parameters(self) -> tuple[int, int]:
        """Return how many parameters train, and how many there are."""
        trainable = sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
        return trainable, sum(parameter.numel() for parameter in self.parameters())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the weights of a frozen backbone from this classifier: the state of its stage may lack them.

        So a stage that was interrupted goes on with or without cached features, however it began.
        """
        if self.stage is None or self.stage.train:
            return
        prefix = "backbone."
        own = {name: values for name, values in self.state_dict().items() if name.startswith(prefix)}
        for key in ("state_dict", "current_model_state"):  # the second is of averaged weights
            if key in checkpoint:
                others = {name: values for name, values in checkpoint[key].items() if not name.startswith(prefix)}
                checkpoint[key] = {**own, **others}

    def train(self, mode: bool = True) -> "Classifier":
        """Set the training mode; frozen modules of the present stage stay in eval mode."""
        super().train(mode)
        if mode and self.stage is not None:
            set_modes(self.backbone, self.stage.train, self.stage.batchnorm)
        return self

    def restore_batchnorm(self, image: torch.Tensor) -> None:
        """Let BatchNorm train that a weights file has folded into its convolutions; see `batchnorm_restoration`.

        Args:
            image: Training images, float in [0, 1], shape (N, C, H, W).
        """
        restore_batchnorm(self.backbone, self.folded_batchnorm, (image - self.mean) / self.std)

    def adapt_batchnorm(self, image: torch.Tensor) -> int:
        """Adapt a trained backbone to images of another source; see `batchnorm_adaptation`.

        Args:
            image: Like the images to predict, of all classes, float in [0, 1], shape (N, C, H, W), N > 1. With
                orientation every second one is turned, as in training.

        Returns:
            The number of layers that were adapted.
        """
        if self.orientation:
            image, _ = turn_half(image, torch.arange(len(image), device=image.device), epoch=0)
        image = (image - self.mean) / self.std
        return adapt_batchnorm(self.backbone, image)

    def adapt_to(self, images: np.ndarray) -> int:
        """Adapt a trained backbone like ``adapt_batchnorm`` to prepared images, uint8, shape (N, H, W, C)."""
        return self.adapt_batchnorm(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(self.device).float() / 255)

    def facts(self) -> ModelFacts:
        """Return what the weights depend on and do not hold: the scaling of the images and timm's arguments."""
        return ModelFacts(self.mean.flatten().tolist(), self.std.flatten().tolist(), self.network_args)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits, float, shape (B, K), of images (B, C, H, W), float in [0, 1]; of either orientation."""
        return self.class_logits(self.head_logits(image))

    def head_logits(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the head gives for images: (B, 2K) with orientation, else (B, K)."""
        return self.logits_and_embedding(image)[0]

    def logits_and_embedding(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the head gives, and what its last layer takes, float, shape (B, D)."""
        embedding = self.features(image)
        last = self.head
        if isinstance(self.head, nn.Sequential):
            *others, last = self.head
            for layer in others:
                embedding = layer(embedding)
        return last(embedding), embedding

    def class_logits(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits of the classes, (B, K), of what the head gives: marginalised over the orientation."""
        return marginal_logits(logits) if self.orientation else logits

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """Return the backbone's features, shape (B, ...), of images (B, C, H, W), float in [0, 1]."""
        # The batch is scaled to float32 after Lightning has converted it to the precision of the weights.
        features: torch.Tensor = self._features_of(self.backbone, (image.to(self.mean.dtype) - self.mean) / self.std)
        return features

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the probability of every class, shape (B, classes), rows sum to 1, of logits (B, K)."""
        if logits.shape[1] == 1:
            positive = torch.sigmoid(logits)
            return torch.cat([1 - positive, positive], dim=1)
        return torch.softmax(logits, dim=1)

    def loss(self, logits: torch.Tensor, label: torch.Tensor, weighted: bool) -> torch.Tensor:
        """Return the (weighted) mean loss: binary cross-entropy for one logit, cross-entropy for more.

        Args:
            logits: float, shape (B, K), or (B, 2K) with orientation.
            label: int64, shape (B,), indices of the logits.
            weighted: Use the class weights and the label smoothing (training), or neither (validation).
        """
        weights = self.class_weights if weighted else None
        if logits.shape[1] == 1:
            target = label.to(logits.dtype).unsqueeze(1)
            losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
            if weights is None:
                return losses.sum() / len(losses)
            per_image = weights[label].unsqueeze(1)
            return (per_image * losses).sum() / per_image.sum()  # as cross_entropy weighs
        if weights is not None and logits.shape[1] == 2 * len(weights):
            weights = weights.repeat(2)
        smoothing = self.settings.loss.label_smoothing if weighted else 0.0
        return F.cross_entropy(logits, label, weight=weights, label_smoothing=smoothing)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient where the trainer asks for it; Lightning would check its settings in every step."""
        if gradient_clip_val is not None:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; Lightning notes the hook that it calls forty times a step, which torch makes slow."""
        if name == "_current_fx_name":
            self.__dict__[name] = value
            return
        super().__setattr__(name, value)

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the loss of a batch and which images are classified correctly.

        Returns:
            {"loss": float, scalar, "correct": bool (B,)}
        """
        image = batch["image"]
        label = batch["label"]
        target = label
        if self.orientation:
            image, turned = turn_half(image, batch["index"], self.current_epoch)
            target = label + self.num_classes * turned
        logits = self.head_logits(image)
        mean_loss = self.loss(logits, target, weighted=True)
        share, loss = self._distributed_loss(mean_loss, label)
        scores = self._scores(self.class_logits(logits.detach()))
        predicted = (scores > 0.5).long() if self.num_classes == 2 else scores.argmax(1)
        self.keep_for_epoch(loss, scores, label)
        return {"loss": share, "correct": predicted == label}

    def keep_for_epoch(self, loss: torch.Tensor, scores: torch.Tensor, label: torch.Tensor) -> None:
        """Keep what the training metrics of an epoch are computed of: mean loss, `_scores` and labels of a batch."""
        if not self.train_loss.update_called:  # Lightning asks it at the epoch's end: it need not be logged again
            self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.train_loss.update(loss, len(label))
        self.train_scores.update(scores, label)

    def on_train_epoch_end(self) -> None:
        """Log the metrics of the training batches of the epoch, as they were when they were trained on.

        None where no batch was left, in an epoch that was interrupted at its end.
        """
        if self.train_scores.update_called:
            self.log_dict({f"train/{name}": value for name, value in self.train_scores.compute().items()})
        self.train_scores.reset()

    def on_fit_start(self) -> None:
        """Forget the epoch in which an earlier fit was interrupted."""
        self.train_loss.reset()
        self.train_scores.reset()

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

    def test_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Log the loss and the metrics of the test part, ``test/...``; train.py does not call it."""
        logits = self(batch["image"])
        label = batch["label"]
        self.test_metrics.update(self._scores(logits), label)
        self.log("test/loss", self.loss(logits, label, weighted=False), batch_size=len(label), sync_dist=True)
        self.log_dict(self.test_metrics, batch_size=len(label))

    def predict_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return {"index": int64 (B,), "probability": float32 (B, classes)} of a batch."""
        return {"index": batch["index"], "probability": self.probabilities(self(batch["image"]).float())}

    def configure_optimizers(self) -> Any:
        """Build the optimiser over what trains in the present stage, with its scheduler.

        Raises:
            UserError: Nothing trains.
        """
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        if not trainable:
            raise UserError("nothing trains in this stage: unfreeze a module, or give the head a layer")
        rate = self.stage.lr if self.stage else self.settings.lr
        settings = stage_optimizer(self.settings.optimizer, self.stage)
        optimizer = build_optimizer(settings, trainable, rate)
        if self.settings.scheduler.name == "none":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches) if self.steps is None else self.steps
        scheduler = build_scheduler(self.settings.scheduler, optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def _distributed_loss(self, loss: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return this rank's share of the (weighted) mean loss of the global batch, and the loss to log.

        The ranks may have different numbers of images, of different weights. The mean of the first over the ranks is
        that of the global batch: DDP averages the gradients, and so trains as a single process does. The mean of the
        second over all images of an epoch is the epoch's.
        """
        processes = current_world().size
        if processes == 1:
            return loss, loss
        weights = torch.ones_like(label, dtype=torch.float64)
        images = weights.sum()
        if self.class_weights is not None:
            weights = self.class_weights[label].double()
        weight = weights.sum()
        total_weight, total_images = all_reduce(torch.stack([weight, images]))
        share = loss * (weight * processes / total_weight).to(loss.dtype)
        return share, share.detach() * (total_images / (processes * len(label))).to(loss.dtype)

    def _scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Return what the metrics take: the positive class's probability for two classes, else all of them."""
        logits = logits.float()
        if logits.shape[1] == 1:
            return torch.sigmoid(logits[:, 0])
        probability = self.probabilities(logits)
        return probability[:, 1] if self.num_classes == 2 else probability
