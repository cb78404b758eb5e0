"""A stage that trains the head alone, on features of the frozen backbone that are computed once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import timm
import torch
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from torch import nn

from common.config.schema import Config
from common.files import sha256_of_value
from common.revision import sha256_of_code
from lightning_modules.backbones.heads import ClassToken, TokenPool
from lightning_modules.backbones.truncation import evaluating
from lightning_modules.checkpoint_io import WholeFiles, read_checkpoint
from lightning_modules.classifier import Classifier
from lightning_modules.faults.machine import explained_faults
from lightning_modules.stages.plan import Stage
from lightning_modules.trainer import build_trainer

# Folders of the code that makes features of prepared images: where it changes, they are computed anew.
CODE = ("datamodules/transforms", "lightning_modules/backbones", "lightning_modules/networks")
# Layers that a head may begin with: they have no weights, and draw nothing.
FIXED_LAYERS = (SelectAdaptivePool2d, TokenPool, ClassToken, nn.Flatten)
PART = 1024  # images whose features are kept at once, about
# Called with the features of the next images, shape (N, ...), on the CPU.
Keep = Callable[[torch.Tensor], None]


class StageFit(NamedTuple):
    """What is fitted in a stage.

    Attributes:
        model: The classifier or, where its features are cached, its head, which shares the weights.
        data: Batches of images or features, in the same order.
        seconds: What the features took.
    """

    model: Classifier
    data: LightningDataModule
    seconds: float = 0.0


class FeatureCache(Protocol):
    """Features of the images of a training, which are computed once and kept."""

    def of_stage(self, model: Classifier, stage: Stage, images_seen: int) -> StageFit | None:
        """Return what to fit in a stage that sees so many training images; None: the classifier, to the images."""


class HeadOnFeatures(Classifier):
    """The head of a classifier on features of its frozen backbone; the weights are the classifier's own.

    Batches are those of a classifier, with features under "image". Checkpoints hold the head alone.

    Args:
        whole: The classifier. What its head begins with that has no weights belongs to the features.
    """

    def __init__(self, whole: Classifier) -> None:
        head = whole.head
        assert isinstance(head, nn.Sequential)
        super().__init__(
            nn.Identity(), head[count_fixed_layers(head) :], whole.num_classes, whole.facts(), whole.settings
        )
        self._elsewhere = sum(parameter.numel() for parameter in whole.backbone.parameters())

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """Return what it is given."""
        return image

    def count_parameters(self) -> tuple[int, int]:
        """Return how many parameters train, and how many the whole classifier has."""
        trainable, total = super().count_parameters()
        return trainable, total + self._elsewhere


class FrozenPart(LightningModule):
    """Computes what a classifier makes of images before the first layer of its head that has weights or is random.

    Args:
        classifier: Does not change.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return features, shape (B, ...), of images (B, C, H, W), float in [0, 1]."""
        head = self.classifier.head
        assert isinstance(head, nn.Sequential)
        features: torch.Tensor = head[: count_fixed_layers(head)](self.classifier.features(image))
        return features

    def predict_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the features of a batch."""
        features: torch.Tensor = self(batch["image"])
        return features

    def key(self, config: Config) -> str:
        """Return a SHA-256 over what the features of an image depend on, but for the image.

        The device and the libraries are part of it: their features differ by more than the order of a sum.
        """
        classifier = self.classifier
        digest = sha256()
        for name, values in classifier.backbone.state_dict().items():
            digest.update(name.encode())
            digest.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        assert isinstance(classifier.head, nn.Sequential)
        plain = list(dict(classifier.head.named_children()))[: count_fixed_layers(classifier.head)]
        network = [digest.hexdigest(), config.model.name, config.model.cut, asdict(classifier.facts()), plain]
        network.append(sha256_of_code(*CODE))
        device = build_trainer(config).strategy.root_device.type
        return sha256_of_value([network, config.trainer.precision, device, torch.__version__, timm.__version__])

    def size(self, config: Config) -> int:
        """Return the bytes of the features of one image."""
        image = torch.zeros(1, 3, *config.prepare.shape, dtype=self.classifier.mean.dtype)
        with torch.no_grad(), evaluating(self), _channels_last(self.classifier):
            features: torch.Tensor = self(image)
        half = config.trainer.precision.startswith(("16", "bf16"))
        return int(features.numel()) * (2 if half else features.element_size())


def count_fixed_layers(head: nn.Sequential) -> int:
    """Return with how many layers a head begins that have no weights and draw nothing."""
    for number, layer in enumerate(head):
        if not isinstance(layer, FIXED_LAYERS):
            return number
    return len(head)


def compute_features(frozen: FrozenPart, images: LightningDataModule, config: Config, keep: Keep) -> None:
    """Hand the features of the images that a data module predicts to ``keep``, in parts.

    Raises:
        OutOfMemoryError: A batch does not fit the memory.
    """
    collector = _Parts(keep)
    with explained_faults(config.loader), _channels_last(frozen.classifier):
        build_trainer(config, callbacks=[collector]).predict(frozen, datamodule=images, return_predictions=False)


def complete_checkpoint(path: Path, whole: Classifier) -> None:
    """Add the weights of the backbone to a checkpoint of the head, which may be complete."""
    content = read_checkpoint(path)
    if content["state_dict"].keys() >= whole.state_dict().keys():
        return
    content["state_dict"] = {**whole.state_dict(), **content["state_dict"]}
    WholeFiles().save_checkpoint(content, path)


class _Parts(Callback):
    """Collects features, and hands them on in parts."""

    def __init__(self, keep: Keep) -> None:
        self.keep = keep
        self._batches: list[torch.Tensor] = []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take a batch."""
        self._batches.append(outputs.cpu())
        if sum(map(len, self._batches)) >= PART:
            self._hand_on()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand on the last ones."""
        if self._batches:
            self._hand_on()

    def _hand_on(self) -> None:
        self.keep(torch.cat(self._batches))
        self._batches = []


@contextmanager
def _channels_last(classifier: Classifier) -> Iterator[None]:
    """Convolve with the channels side by side, which is faster on a CPU, whatever the training does."""
    backbone: Any = classifier.backbone
    weights = [values for values in backbone.parameters() if values.ndim == 4]
    was = all(values.is_contiguous(memory_format=torch.channels_last) for values in weights)
    backbone.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        if not was:
            backbone.to(memory_format=torch.contiguous_format)
