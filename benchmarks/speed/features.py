"""Stages that train the head on a frozen ResNet-50 at 224 px: on cached features, and on images."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import count
from pathlib import Path
from threading import Semaphore, Thread

from pytorch_lightning import Callback, LightningModule, Trainer

from benchmarks.speed.case import Case, Peer
from common.config.compose import compose_config
from common.config.schema import Config
from datamodules.feature_datamodule import FeatureDataModule
from datamodules.image_datamodule import ImageDataModule
from lightning_modules.stages.fit import train_stages
from workflows.train import build_model

IMAGES = 120
EPOCHS = 30
SETTINGS = [
    "+experiment=resnet50_cut_block5_features",
    "data=synthetic",
    f"data.images={IMAGES}",
    "data.subjects=10",
    "weights=random",
    "split.near_duplicates=off",
    "callbacks.early_stopping.enabled=false",
    "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false",
    "logger.tensorboard=false",
]


def cases(folder: Path) -> Iterator[Case]:
    """Yield the cases: an epoch of later ones, and a whole stage with the features that it begins with."""
    stages = {key: FrozenStage(folder / key, key == "auto") for key in ("auto", "off")}
    seen = f"{stages['off'].images} images"
    epochs = {key: EpochByEpoch(stage) for key, stage in stages.items()}
    yield Case(
        f"epoch of {seen}, frozen ResNet-50",
        epochs["auto"].step,
        {"on images": Peer(epochs["off"].step, 100.0, ("timm", "pytorch-lightning"))},
        stages["off"].images,
        rounds=3,
    )
    for each in epochs.values():
        each.end()
    yield Case(
        f"stage of {EPOCHS} epochs of {seen}, frozen ResNet-50",
        lambda: stages["auto"].train(EPOCHS),
        {"on images": Peer(lambda: stages["off"].train(EPOCHS), 30.0, ("timm", "pytorch-lightning"))},
        EPOCHS * stages["off"].images,
        rounds=1,
        warm_up=False,
    )


class FrozenStage:
    """A stage that trains the head; each time anew, its features included.

    Args:
        folder: Of its run and cache.
        cached: Whether the features are computed once.
    """

    def __init__(self, folder: Path, cached: bool) -> None:
        self.folder = folder
        self.cached = cached
        places = [f"data_dir={folder}", f"cache_dir={folder / 'cache'}"]
        self.config: Config = compose_config([*SETTINGS, *places])
        self.data = ImageDataModule.from_config(self.config, progress=False)
        self.data.setup()
        self.data.prepare_data()
        self.model, _ = build_model(self.config, self.data)
        self._numbers = count()

    @property
    def images(self) -> int:
        """Those of an epoch that train or validate."""
        return len(self.data.plan.rows) + len(self.data.rows("validation"))

    def train(self, epochs: int, *callbacks: Callback) -> None:
        """Train from the start."""
        trainer = self.config.trainer.model_copy(update={"max_epochs": epochs})
        config = self.config.model_copy(update={"trainer": trainer})
        model = deepcopy(self.model)
        run = self.folder / f"run{next(self._numbers)}"
        features = FeatureDataModule(self.data) if self.cached else None
        train_stages(model, self.data, config, run, callbacks, features)


class EpochByEpoch(Callback):
    """Trains a stage in a thread of its own, an epoch at each call, and waits between them."""

    def __init__(self, stage: FrozenStage) -> None:
        self._go = Semaphore(0)
        self._done = Semaphore(0)
        self._ending = False
        self._thread = Thread(target=lambda: stage.train(1000, self), daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Train an epoch, with its validation and checkpoints."""
        self._go.release()
        self._done.acquire()

    def end(self) -> None:
        """End the stage."""
        self._ending = True
        self._go.release()
        self._thread.join()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for the call."""
        self._go.acquire()
        trainer.should_stop |= self._ending

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell that the epoch has ended."""
        self._done.release()
