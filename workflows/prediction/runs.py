"""Predictions of new images by the networks of runs, with torch."""

from collections.abc import Iterator

import pandas as pd

from common.cli import console, say
from common.config.schema import Config
from common.predictions import FACTS, Predictions
from common.runs.predicted import to_predictions
from common.runs.run import Run
from datamodules.inference.image_batches import ImageFileBatches
from datamodules.inference.image_files import ImageFiles
from datamodules.inference.predict_datamodule import PredictDataModule
from datamodules.io.progress import LONG
from lightning_modules.inference import predict
from lightning_modules.load import load_run
from lightning_modules.mc_dropout import check_dropout
from lightning_modules.trainer import set_up_torch
from workflows.adaptation import adapt_to, adapts, sample_rows
from workflows.predict_request import PredictRequest


def predict_by_runs(request: PredictRequest, images: ImageFiles) -> Iterator[tuple[Predictions, ImageFileBatches]]:
    """Yield the predictions of each member with the files that it has read, prepared like its own images."""
    passes = 0 if len(request.members) > 1 else request.passes
    set_up_torch()
    for member in request.members:
        yield _predict_by_run(member, images, passes, request)


def _predict_by_run(
    member: Run, images: ImageFiles, passes: int | None, request: PredictRequest
) -> tuple[Predictions, ImageFileBatches]:
    run = load_run(member.folder)
    config = for_this_machine(run.config, len(images.files))
    if passes is not None:
        inference = config.inference.model_copy(update={"mc_passes": passes})
        config = config.model_copy(update={"inference": inference})
    if passes and config.inference.mc_passes:
        check_dropout(run.classifier, passes, config.prepare.size)
    data = PredictDataModule([file.path for file in images.files], config.prepare, config.loader.batch_size)
    if adapts(config, request.batchnorm):
        sample = data.batches.prepared(sample_rows(len(images.files)).tolist())
        say(adapt_to(run.classifier, sample).note)
    predicted = predict(run.classifier, data, config)
    assert predicted is not None  # there is one process
    names = [file.name for file in images.files]
    frame = pd.DataFrame({**dict.fromkeys(FACTS), "image_id": names, "path": names})
    source = "SYNTHETIC images" if member.data.synthetic else member.data.source
    about = {"name": config.name, "source": f"trained on {source}", "synthetic": False}
    parts = pd.Series("test", index=frame.index)
    return to_predictions(predicted, frame, parts, run.classes, run.positive_class, about), data.batches


def for_this_machine(config: Config, images: int) -> Config:
    """Return a run's configuration for the prediction of other images on the present machine."""
    progress = console.is_terminal or images >= LONG
    trainer = config.trainer.model_copy(update={"accelerator": "auto", "enable_progress_bar": progress})
    return config.model_copy(update={"trainer": trainer})
