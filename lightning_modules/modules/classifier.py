"""The LightningModule that is trained: normalisation, backbone, head, loss, metrics and optimiser."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from pytorch_lightning.trainer.states import TrainerFn
from torch import nn

from karyocyte.common.cli import warn_once
from karyocyte.common.errors import UserError, close_names, first_fault
from karyocyte.config.schema import LossConfig, OptimizerConfig, SchedulerConfig
from karyocyte.config.task import Task, check_same_classes
from karyocyte.runs.facts import ModelFacts
from lightning_modules.backbones.backbone import Backbone, OwnNetwork, build_backbone, finish_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.backbones.truncation import ImageSize
from lightning_modules.losses import build_losses, share_of_loss
from lightning_modules.modules.epoch_metrics import KeptScores, training_metrics, validation_metrics
from lightning_modules.modules.image_network import ClassifierNetwork
from lightning_modules.modules.staged_module import StagedModule
from lightning_modules.optimizers import TrainingSettings
from lightning_modules.support.checkpoint_io import load_weights, read_checkpoint


@dataclass(frozen=True)
class Hyperparameters:
    """A classifier in plain values, which are ``model.hparams`` and in every checkpoint of it."""

    backbone: str | None  # timm's name, or one of lightning_modules.networks; None: a network of the user's own
    args: dict[str, Any]  # further arguments of the network
    cut: str | None  # the module whose output are the features; None for the whole network
    image_size: ImageSize
    head: Sequence[str | dict[str, Any]] | None  # as ``head.layers`` of conf/train.yaml; None: the network has its own
    logits: int  # outputs of the head: with orientation two per class, else one per class, or one for two classes
    orientation: bool
    num_classes: int
    mean: list[float]  # of the channels of images in [0, 1], with which they are normalised
    std: list[float]
    loss: dict[str, Any]  # as the sections of conf/train.yaml, and so the next two
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    lr: float
    task: dict[str, Any] | None = None  # `Task`: classes and preparation of the images that it was fitted to

    @property
    def facts(self) -> ModelFacts:
        """The scale of the images and the arguments of the network."""
        return ModelFacts(self.mean, self.std, self.args)

    @property
    def settings(self) -> TrainingSettings:
        """How it is trained."""
        return TrainingSettings(
            LossConfig.model_validate(self.loss),
            OptimizerConfig.model_validate(self.optimizer),
            SchedulerConfig.model_validate(self.scheduler),
            self.lr,
        )


class Classifier(ClassifierNetwork, StagedModule):
    """A backbone and a head that map images to logits.

    In a notebook, ``create_classifier`` builds one by names; any Trainer fits it:

        model = create_classifier("resnet50", num_classes=2, cut="layer3", weights="resnet50.tv_in1k", lr=1e-3)
        trainer = Trainer(max_epochs=5)
        trainer.fit(model, datamodule=data)
        trainer.save_checkpoint("cells.ckpt")
        model = Classifier.load_from_checkpoint("cells.ckpt")

    Batches are {"image": float (B, 3, H, W) in [0, 1], "label": int64 (B,)}, for predictions with "index": int64 (B,).
    All parameters train until ``configure_stage`` is called.

    A fit writes the classes and the preparation of a data module's images into the classifier (``task``) and so into
    its checkpoints. A later fit, validation, test or prediction compares its data module with them: it numbers the
    classes as the classifier does, or is refused. Loaders without a data module, and data modules of others, have no
    names to compare: number their labels as the classifier was trained.

    Args:
        backbone: Has ``forward_features``: (B, C, H, W) -> features.
        head: Features -> logits (B, K); K = 1 is the log-odds of class 1, the positive class.
        num_classes: Number of classes.
        facts: Channel means and standard deviations that the backbone's weights expect, and timm's arguments.
        settings: Loss, optimiser, schedule and learning rate.
        orientation: The head has two outputs per class, (B, 2K): K upright, then K upside down. The training images are
            upright, but for those that "upright" of a batch, bool (B,), excepts; every second one is turned by 180
            degrees (``lightning_modules.backbones.orientation``).
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
        super().__init__(backbone, head, num_classes, facts, orientation)
        self.settings = settings
        self.lr = settings.lr
        self.epoch_is_whole = False
        self.training_loss, self.validation_loss = build_losses(settings.loss)
        self.train_metrics = training_metrics(num_classes, "train/")
        self.val_metrics = validation_metrics(num_classes, "val/")
        self.test_metrics = validation_metrics(num_classes, "test/")

    @classmethod
    def from_parameters(cls, given: Hyperparameters, backbone: Backbone) -> Self:
        """Put the head that hyperparameters describe on their backbone, which may have weights.

        Raises:
            UserError: The head does not fit the backbone's features.
        """
        head: nn.Module = nn.Identity()
        if given.head is not None:
            head = build_head(given.head, backbone.out_shape, given.logits, backbone.layout, backbone.prefix_tokens)
        model = cls(backbone.module, head, given.num_classes, given.facts, given.settings, given.orientation)
        # A run has its whole configuration on disk: its loggers need no copy.
        model.save_hyperparameters(to_jsonable_python(asdict(given)), logger=False)
        return model

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]  # the other arguments of Lightning's are of no use here
        cls,
        checkpoint_path: str | Path,
        map_location: str | torch.device = "cpu",
        network: nn.Module | None = None,
        **changes: Any,
    ) -> Self:
        """Build the classifier of a checkpoint, also of one that a run has left, with its weights, on a device.

        No file but the checkpoint is read. A ``network`` of the user's own is given again, as it was given to
        ``create_classifier``. ``changes`` replace hyperparameters (`Hyperparameters`), such as ``lr``.

        Raises:
            UserError: The file is missing, damaged, of no classifier or of a network of the user's own that is not
                given, or there is no such hyperparameter.
        """
        saved = read_checkpoint(Path(checkpoint_path)).get("hyper_parameters")
        known = {field.name for field in fields(Hyperparameters)}
        if not saved or not known - {"task"} <= saved.keys():
            raise UserError(f"{checkpoint_path} does not say which classifier it is of: name a checkpoint of one")
        for name in changes.keys() - known:
            raise UserError(f"load_from_checkpoint has no argument {name}: {close_names(name, sorted(known))}")
        # A subclass may have saved further ones.
        given = Hyperparameters(**{name: value for name, value in {**saved, **changes}.items() if name in known})
        if network is not None:
            backbone = finish_backbone(OwnNetwork(network), None, given.image_size)
        elif given.backbone is None:
            raise UserError(f"{checkpoint_path} is of a network of your own: add network=<the module>, built as before")
        else:
            backbone = build_backbone(given.backbone, given.args, given.cut, given.image_size)
        try:
            model = cls.from_parameters(given, backbone)
            _ = model.task
        except ValidationError as error:
            fault = f"{first_fault(error)}: it was saved by another version of Karyocyte, load it by that one"
            raise UserError(f"{checkpoint_path}: {fault}") from error
        load_weights(model, Path(checkpoint_path))
        return model.to(map_location)

    @property
    def task(self) -> Task | None:
        """The classes and the preparation of the images that it was fitted to; None where no data module said them."""
        saved = self.hparams.get("task")
        return TypeAdapter(Task).validate_python(saved) if saved else None

    def setup(self, stage: str) -> None:
        """Compare the images of a data module with the task, before their first batch."""
        self._meet_images()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the task with the weights that a trainer loads, and compare the images with it."""
        super().on_load_checkpoint(checkpoint)
        before = checkpoint.get("hyper_parameters", {}).get("optimizer") or self.hparams["optimizer"]
        if self.trainer.state.fn == TrainerFn.FITTING and before["_target_"] != self.hparams["optimizer"]["_target_"]:
            raise UserError(f"the checkpoint has the state of {before['_target_']}: take this optimizer, or begin anew")
        self.hparams["task"] = checkpoint.get("hyper_parameters", {}).get("task")
        self._meet_images()

    def _meet_images(self) -> None:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        data = getattr(data, "data", data)  # of features, or of some rows
        if not hasattr(data, "number_as"):
            return
        task, images = self.task, data.task
        if self.trainer.state.fn == TrainerFn.FITTING:
            if task is not None:
                check_same_classes("the classifier", task, "these images", images, "train another one on them")
            elif len(images.classes) != self.num_classes:
                found = f"{', '.join(images.classes)}: set num_classes={len(images.classes)}"
                raise UserError(f"the classifier has {self.num_classes} classes, the images are of {found}")
            self.hparams["task"] = to_jsonable_python(asdict(images))
        elif task is None:
            warn_once(f"the classifier does not know its classes: they are taken for {', '.join(images.classes)}")
        else:
            task.check_evaluation(images)
            data.number_as(task.classes)

    @contextmanager
    def on_features(self) -> Iterator[None]:
        """Take features, as ``fixed_features`` gives them, in place of images for the length of the block."""
        self.takes_features = True
        try:
            yield
        finally:
            self.takes_features = False

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return {"loss": float, scalar, "correct": bool (B,)}: which images of a batch are classified correctly."""
        self._check_batch(batch, batch_idx)
        label = batch["label"]
        logits, mean_loss = self._logits_and_loss(batch)
        share, loss = share_of_loss(mean_loss, len(label))
        scores = self.scores(self.class_logits(logits.detach()))
        predicted = (scores > 0.5).long() if scores.ndim == 1 else scores.argmax(1)
        if self.epoch_is_whole:
            options: dict[str, Any] = {"prog_bar": True, "batch_size": len(label), "sync_dist": True}
            self.log("train/loss", loss, on_epoch=True, on_step=False, **options)
            self.train_metrics.update(scores, label)
        return {"loss": share, "correct": predicted == label}

    def _logits_and_loss(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the head gives for a training batch, whose images it may turn, and the mean loss."""
        image, label = batch["image"], batch["label"]
        if not self.orientation:
            logits = self.head_logits(image)
            return logits, self.training_loss(logits, label)
        from lightning_modules.backbones.orientation import loss_by_orientation, turn_half  # here: few heads have one

        image, turned = turn_half(image, batch["index"], self.current_epoch)
        target = label + self.num_classes * turned
        logits = self.head_logits(image)
        return logits, loss_by_orientation(self.training_loss, logits, target, batch.get("upright"))

    def on_fit_start(self) -> None:
        """Forget the epoch in which an earlier fit was interrupted."""
        self.train_metrics.reset()
        self.epoch_is_whole = False

    def on_train_epoch_start(self) -> None:
        """Measure the epoch; one that is resumed within does not start, and its batches before are not known."""
        self.epoch_is_whole = True

    def on_train_epoch_end(self) -> None:
        """Log the metrics of the training batches of the epoch; that it was ``interrupted``, where it was."""
        if not self.epoch_is_whole:
            self.log("interrupted", 1.0)
        if self.train_metrics.update_called:
            self._log(self.train_metrics)

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Take a batch into the validation loss and metrics of the epoch."""
        self._evaluate(batch, batch_idx, self.val_metrics)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics over the whole validation part and, in a training, the rate that its epoch ended with."""
        if self.trainer.optimizers:
            self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        self._log(self.val_metrics)

    def test_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Take a batch into the loss and metrics of the test part, ``test/...``; train.py does not call it."""
        self._evaluate(batch, batch_idx, self.test_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the metrics over the whole test part."""
        self._log(self.test_metrics)

    def predict_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return {"index": int64 (B,), "probability": float32 (B, classes)} of a batch."""
        return {"index": batch["index"], "probability": self.probabilities(self(batch["image"]).float())}

    def _check_batch(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        """Refuse labels without a class; on a GPU, which would have to be waited for, those of the first batch.

        So are images in the first batch that are far from [0, 1]: they would be scaled or normalised twice.
        """
        if not isinstance(batch, Mapping):
            raise UserError(f"a batch is a {type(batch).__name__}: let the loader give {{'image': ..., 'label': ...}}")
        image, label = batch["image"], batch["label"]
        if batch_idx == 0 and not self.takes_features and not -0.5 < image.min() <= image.max() < 1.5:
            raise UserError(
                f"images from {image.min():.3g} to {image.max():.3g}: give floats in [0, 1], not normalised"
            )
        most = int(label.max()) if len(label) and (label.is_cpu or batch_idx == 0) else 0
        if most >= self.num_classes:
            remedy = f"number the classes from 0, or create the classifier with num_classes={most + 1}"
            raise UserError(f"a batch has the label {most}, the classifier num_classes={self.num_classes}: {remedy}")

    def _evaluate(self, batch: dict[str, torch.Tensor], batch_idx: int, metrics: KeptScores) -> None:
        self._check_batch(batch, batch_idx)
        label = batch["label"]
        logits = self(batch["image"])
        metrics.update(self.scores(logits), label)
        loss = self.validation_loss(logits, label)
        self.log(f"{metrics.prefix}loss", loss, prog_bar=True, batch_size=len(label), sync_dist=True)

    def _log(self, metrics: KeptScores) -> None:
        self.log_dict(metrics.compute())
        metrics.reset()

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Return what the metrics take: the positive class's probability for two classes, else all of them."""
        probability = self.probabilities(logits.float())
        return probability[:, 1] if self.num_classes == 2 else probability
