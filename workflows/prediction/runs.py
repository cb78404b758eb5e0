"""Predictions of new images by the network of a run, with torch."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch

from common.cli import say, warn
from common.config.predict import PredictConfig
from common.config.schema import Config
from common.files import sha256_of_file
from common.predictions import FACTS, Predictions
from common.runs.files import RunFile
from common.runs.predicted import to_predictions
from common.runs.run import Run
from datamodules.inference.image_batches import ImageFileBatches, common_range_of_files
from datamodules.inference.image_files import ImageFile
from datamodules.inference.predict_datamodule import PredictDataModule
from lightning_modules.faults.machine import OutOfMemoryError
from lightning_modules.inference import make_fast, predict
from lightning_modules.load import load_run
from lightning_modules.mc_dropout import check_dropout
from lightning_modules.out_of_distribution.file import load_out_of_distribution, refusal
from lightning_modules.trainer import set_up_torch
from workflows.adaptation import adapt_to, adapts, sample_rows
from workflows.predict_request import PredictRequest
from workflows.prediction.chunk import Advance


def load_runs(request: PredictRequest, files: Sequence[ImageFile]) -> list["RunPredictor"]:
    """Return the members of a request, loaded and, where it is wanted, adapted to all ``files``."""
    set_up_torch()
    passes = 0 if len(request.members) > 1 else request.settings.passes
    return [RunPredictor(member, passes, request.settings, files) for member in request.members]


class RunPredictor:
    """Predicts image files by the network of a run, prepared like its own images; see `MemberPredictor`.

    Args:
        member: The run.
        passes: Of Monte Carlo dropout; None: as many as the run has.
        settings: Of them BatchNorm's statistics, and whether BatchNorm is folded.
        files: All files that will be predicted.

    Raises:
        UserError: The run cannot be loaded, or passes are asked for and it has no dropout.
    """

    def __init__(self, member: Run, passes: int | None, settings: PredictConfig, files: Sequence[ImageFile]) -> None:
        self.member = member
        self.run = load_run(member.folder)
        self.config = for_this_machine(self.run.config, progress=False)
        if passes is not None:
            inference = self.config.inference.model_copy(update={"mc_passes": passes})
            self.config = self.config.model_copy(update={"inference": inference})
        if passes and self.config.inference.mc_passes:
            check_dropout(self.run.classifier, passes, self.config.prepare.size)
        self.full_range = common_range_of_files((file.path for file in files), self.config.prepare)
        self.share = self.config.evaluation.out_of_distribution
        self.distance = load_out_of_distribution(member, self.share)
        if reason := refusal(member, self.share):
            say(reason)
        self.sample: list[ImageFile] = []  # that BatchNorm is adapted to
        if adapts(self.config, settings.batchnorm):
            self.sample = [files[int(row)] for row in sample_rows(len(files))]
            images = self._batches(self.sample, lambda count: None).prepared(range(len(self.sample)))
            say(adapt_to(self.run.classifier, images).note)
        self.is_fast = settings.fast_network and not torch.cuda.is_available()
        if self.is_fast:
            make_fast(self.run.classifier, self.config.prepare.size)

    def predict(self, files: Sequence[ImageFile], advance: Advance) -> tuple[Predictions, ImageFileBatches]:
        """Predict some of the files, in smaller batches from the first one on that does not fit the memory."""
        batches = self._batches(files, advance)
        try:
            predicted = predict(self.run.classifier, PredictDataModule(batches), self.config, self.distance)
        except OutOfMemoryError:
            size = self.config.loader.batch_size // 2
            if size == 0:
                raise
            warn(f"out of memory: {self.member.folder} predicts {size} images at once from here on")
            loader = self.config.loader.model_copy(update={"batch_size": size})
            self.config = self.config.model_copy(update={"loader": loader})
            return self.predict(files, lambda count: None)  # they are counted already
        assert predicted is not None  # there is one process
        names = [file.name for file in files]
        frame = pd.DataFrame({**dict.fromkeys(FACTS), "image_id": names, "path": names})
        source = "SYNTHETIC images" if self.member.data.synthetic else self.member.data.source
        about = {"name": self.config.name, "source": f"trained on {source}", "synthetic": False}
        parts = pd.Series("test", index=frame.index)
        predictions = to_predictions(predicted, frame, parts, self.run.classes, self.run.positive_class, about)
        return predictions, batches

    def depends_on(self) -> dict[str, Any]:
        """Return what the prediction of a file depends on besides the file, JSON-able."""
        return {
            "weights": sha256_of_file(self.member.best_checkpoint),
            "inference": self.config.inference.model_dump(mode="json"),
            "full_range": self.full_range,
            "fast_network": self.is_fast,
            "batchnorm": [file.name for file in self.sample],
            "out_of_distribution": None if self.distance is None else [self.share, self._distances_hash()],
        }

    def _distances_hash(self) -> str:
        return sha256_of_file(self.member.path(RunFile.OUT_OF_DISTRIBUTION))

    def _batches(self, files: Sequence[ImageFile], advance: Advance) -> ImageFileBatches:
        paths = [file.path for file in files]
        return ImageFileBatches(paths, self.config.prepare, self.config.loader.batch_size, self.full_range, advance)


def for_this_machine(config: Config, progress: bool) -> Config:
    """Return a run's configuration for the prediction of other images on the present machine.

    Args:
        config: The run's.
        progress: Whether Lightning shows a progress bar.
    """
    trainer = config.trainer.model_copy(update={"accelerator": "auto", "enable_progress_bar": progress})
    return config.model_copy(update={"trainer": trainer})
