"""When the features of a frozen backbone are kept, and where they come from."""

import shutil
import time
from pathlib import Path

import numpy as np

from common.cli import say
from common.config.schema import Config
from common.files import sha256_of_value
from common.text import counted
from datamodules.features.feature_datamodule import FeatureDataModule
from datamodules.features.store import FeatureStore, KeptFeatures
from datamodules.features.views import TrainingViews, ViewDataModule, Views
from datamodules.image_datamodule import ImageDataModule
from datamodules.io.locks import one_at_a_time
from lightning_modules.classifier import Classifier
from lightning_modules.stages.frozen import FrozenPart, HeadOnFeatures, StageFit, compute_features
from lightning_modules.stages.plan import Stage

LARGEST = 2_000_000_000  # bytes of features that a training holds in memory


class CachedFeatures:
    """The features of the images of a data module, shared by all runs of the same network on the same images.

    Args:
        data: The images.
        config: The typed configuration of the run.
    """

    def __init__(self, data: ImageDataModule, config: Config) -> None:
        self.data = data
        self.config = config

    def of_stage(self, model: Classifier, stage: Stage, images_seen: int) -> StageFit | None:
        """Return what to fit in a stage that sees so many training images; None: the classifier, to the images."""
        if self.config.cache_features == "off" or stage.config.train:
            return None
        start = time.monotonic()
        model.configure_stage(stage.config)
        frozen = FrozenPart(model)
        views = TrainingViews(self.data)
        reason = self._obstacle(stage) or views.obstacle
        if reason is None:
            store = self._store(frozen)
            reason = self._reason_against(store, frozen.size(self.config), views.all, images_seen)
        name = f"stage {stage.number + 1}, {stage.name}"
        if reason is not None:
            say(f"{name}: features are not cached: {reason}")
            return None
        features = self._compute_once(frozen, store, views.all)
        size = features.values.numel() * features.values.element_size() / 1e6
        images = counted(len(np.unique(views.all.row)), "image")
        say(f"{name}: trains on cached features of {images} in {len(views.all.row):,} views, {size:,.1f} MB")
        return StageFit(HeadOnFeatures(model), FeatureDataModule(views, features), time.monotonic() - start)

    def _store(self, frozen: FrozenPart) -> FeatureStore:
        key = sha256_of_value([frozen.key(self.config), self.data.images_hash()])
        return FeatureStore(Path(self.config.cache_dir), key)

    def _compute_once(self, frozen: FrozenPart, store: FeatureStore, views: Views) -> KeptFeatures:
        """Return the features of views; what is missing is computed, while other processes that need it wait."""
        if len(store.missing(views).row):
            with one_at_a_time(store.folder.with_suffix(".lock"), "computes the features of the same images"):
                self._compute(frozen, store, store.missing(views))
        else:
            say(f"features are kept in {store.folder}")
        return store.read(views)

    def _compute(self, frozen: FrozenPart, store: FeatureStore, missing: Views) -> None:
        if not len(missing.row):
            return
        start = time.monotonic()
        views = f"{len(missing.row):,} views of images"
        say(f"features of {views} are computed once, and kept in {store.folder}")
        compute_features(frozen, ViewDataModule(self.data, missing), self.config, store.writer(missing))
        say(f"features of {views}: {time.monotonic() - start:.0f} s")

    def _obstacle(self, stage: Stage) -> str | None:
        """Why features cannot replace the images in this run, in words."""
        config = self.config
        obstacles = {
            "several processes train": config.trainer.processes > 1,
            "head.orientation turns images": config.head.orientation,
            "callbacks.check_and_adjust rounds the backbone": config.callbacks.check_and_adjust.enabled,
            "callbacks.extra may need the images": bool(config.callbacks.changing),
        }
        return next((reason for reason, holds in obstacles.items() if holds), None)

    def _reason_against(self, store: FeatureStore, size: int, views: Views, images_seen: int) -> str | None:
        """Why it would not pay, in words; ``size`` is the bytes of the features of an image."""
        missing = len(store.missing(views).row)
        if 2 * missing > images_seen:
            return f"{missing:,} views would be computed for {images_seen:,} images that the stage sees"
        if size * len(views.row) > LARGEST:
            return f"{size * len(views.row) / 1e9:.1f} GB are too large"
        place = Path(self.config.cache_dir)
        place.mkdir(parents=True, exist_ok=True)
        if 2 * size * missing > shutil.disk_usage(place).free:
            return f"the disk of {place} has too little space for {size * missing / 1e9:.1f} GB"
        return None
