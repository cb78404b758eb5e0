"""A stage that trains the head alone, on images that never change: the frozen backbone's features, computed once."""

import time
from typing import Any

import torch
from pytorch_lightning import LightningDataModule, LightningModule

from karyocyte.common.cli import say
from karyocyte.config.build import bound
from karyocyte.config.schema import Config, TrainingConfig
from karyocyte.runs.stages import RunStage
from lightning_modules.backbones.truncation import evaluating
from lightning_modules.modules.classifier import Classifier
from lightning_modules.modules.staged_module import StagedModule
from lightning_modules.training.predict import predicted_arrays

LARGEST = 2_000_000_000  # bytes of features that a training holds in memory


class FrozenPart(LightningModule):
    """Computes what a classifier makes of images before the first layer of its head that has weights or is random."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def predict_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the features of a batch."""
        features = self.classifier.fixed_features(batch["image"])
        return {"features": features.to(torch.promote_types(features.dtype, torch.float32))}


def features_in_place_of_images(
    model: StagedModule, batches: Any | None, config: TrainingConfig, stage: RunStage, images_seen: int
) -> tuple[LightningDataModule | None, float]:
    """Compute the features of all images that a stage shows, where the backbone and the images stay the same.

    ``batches``, such as a `FeatureDataModule`, serve ``features``, which are set here, in place of ``count`` images, or
    say that ``images_change`` from epoch to epoch; ``images_seen`` are the training images of the stage.

    Returns:
        The batches to fit ``model.on_features()`` to and the seconds that this took; None to fit the images.
    """
    if batches is None or stage.config.train:
        return None, 0.0
    assert isinstance(model, Classifier)
    assert isinstance(config, Config)
    start = time.monotonic()
    model.configure_stage(stage.config)
    if not _pays(model, batches, config, images_seen):
        return None, 0.0
    backbone: Any = model.backbone
    backbone.to(memory_format=torch.channels_last)  # faster on a CPU, also where the training does without
    arrays = predicted_arrays(FrozenPart(model), batches, config)
    if not config.trainer.channels_last:
        backbone.to(memory_format=torch.contiguous_format)
    assert arrays is not None  # one process trains
    batches.features = torch.from_numpy(arrays["features"])
    seconds = time.monotonic() - start
    computed = f"features of {batches.count:,} images, computed once in {seconds:.0f} s"
    say(f"stage {stage.number + 1}, {stage.name}: trains on {computed}")
    return batches, seconds


def _pays(model: Classifier, batches: Any, config: Config, images_seen: int) -> bool:
    """Tell whether features can replace the images of a run, and save time.

    The images must not change from epoch to epoch, nor the backbone, which ``check_and_adjust`` rounds.
    """
    changes = batches.images_change or config.head.orientation or config.callbacks.check_and_adjust.enabled
    if changes or config.trainer.processes > 1 or 2 * batches.count > images_seen:
        return False
    callbacks = [bound(f"callbacks.{name}", each.entry).func for name, each in config.callbacks.enabled.items()]
    if any(getattr(callback, "needs_images", False) for callback in callbacks):
        return False
    image = torch.zeros(1, 3, *config.prepare.shape, dtype=model.mean.dtype)
    with torch.no_grad(), evaluating(model):
        size = batches.count * model.fixed_features(image).numel() * 4  # bytes
    return bool(size <= LARGEST)
