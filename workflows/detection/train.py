"""The recipe of a detector's training: build, fit, predict, evaluate."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback

from common.cli import console, say
from common.config.schema import Config
from common.errors import UserError
from common.files import sha256_of_file, write_csv, write_json
from common.runs.files import RunFile
from common.runs.portable import DETECTOR_FACTS
from common.runs.run import ModelFacts, Run
from common.runs.sweeps import in_sweep
from datamodules.image_datamodule import ImageDataModule
from datamodules.metaphases.data_module import MetaphaseDataModule
from evaluation.renderers import terminal
from lightning_modules.build import FirstBackbone
from lightning_modules.checkpoint_io import load_checkpoint
from lightning_modules.detection.detector import MONITORS, Detector
from lightning_modules.detection.network import CentreDecoder, levels_of
from lightning_modules.inference import PredictionCollector, interleaved
from lightning_modules.optimizers import TrainingSettings
from lightning_modules.training.distributed import gather_to_rank_zero, joint_errors, on_rank_zero
from lightning_modules.training.fit import Mode, train_stages, training_facts
from lightning_modules.training.machine import explained_faults
from lightning_modules.training.trainer import build_trainer
from workflows.detection.evaluate import calibrate, evaluate_detections, results_table
from workflows.recipe import Recipe

DETECTIONS = "detections.parquet"  # boxes of the validation and test pictures, in pixels of the file
RESULTS = "detection.csv"


def build_detector(
    config: Config, data: ImageDataModule, first: FirstBackbone
) -> tuple[Detector, dict[str, str | None]]:
    """Build the detector of a run with its first weights; return it with the hashes of what these are.

    Raises:
        UserError: ``head.layers`` is no decoder, the network no ResNet, or the monitored metric not of a detector.
    """
    match config.head.layers:
        case ({"centres": int(width)},) if width > 0 and width % 8 == 0:
            pass
        case _:
            raise UserError(f"head.layers={list(config.head.layers)}: of pictures with boxes set [{{centres: 48}}]")
    if config.callbacks.monitor not in MONITORS:
        raise UserError(f"callbacks.monitor={config.callbacks.monitor}: choose one of {', '.join(MONITORS)}")
    network = first.backbone.module
    with torch.no_grad():
        levels = levels_of(network.eval(), torch.zeros(1, 3, 64, 64))
    torch.set_rng_state(first.random_state)
    decoder = CentreDecoder([level.shape[1] for level in levels], width)
    facts = ModelFacts(list(first.info.mean), list(first.info.std), first.info.args)
    model = Detector(network, decoder, facts, TrainingSettings(config.loss, config.optimizer, config.scheduler))
    if config.trainer.channels_last:
        model.to(memory_format=torch.channels_last)
    contents: dict[str, str | None] = {"weights": first.info.content_hash(), "init_from": None}
    if config.init_from:
        checkpoint = Run.open_finished(Path(config.init_from)).best_checkpoint
        load_checkpoint(model, checkpoint)
        contents["init_from"] = sha256_of_file(checkpoint)
    return model, contents


def fit_and_detect(
    model: Detector, data: ImageDataModule, config: Config, run: Run, callbacks: Sequence[Callback]
) -> None:
    """Train the stages, write the boxes of validation and test pictures, and mark the run as finished."""
    on_rank_zero(data.write_facts, run.folder)
    on_rank_zero(run.write_json, RunFile.MODEL, asdict(model.facts()))
    mode: Mode = "min" if config.callbacks.monitor == "val/loss" else "max"
    stages = train_stages(model, data, config, run.folder, callbacks, mode=mode)
    frame = detect(model, data, config)
    if frame is not None:
        frame.to_parquet(run.folder / DETECTIONS, index=False)
        run.write_status("finished", best=stages[-1].best, **training_facts(stages))


def detect(model: Detector, data: ImageDataModule, config: Config) -> pd.DataFrame | None:
    """Return the boxes of the validation and test pictures, a row each; None but on the first process.

    Columns: ``row`` (of the manifest), ``left``, ``top``, ``right``, ``bottom`` in pixels of the file, and ``score``.
    """
    collector = PredictionCollector()
    trainer = build_trainer(config, callbacks=[collector])
    with explained_faults(config.loader):
        trainer.predict(model, datamodule=data, return_predictions=False)
    shares = gather_to_rank_zero(collector.arrays())
    if shares is None:
        return None
    found = interleaved(shares)
    with joint_errors():
        if not np.isfinite(found["boxes"]).all():
            raise UserError("the trained detector gives no numbers (NaN): lower the learning rates of unfreeze.stages")
    kept = found["scores"] > 0
    frame = pd.DataFrame(found["boxes"][kept] / config.prepare.canvas.scale, columns=["left", "top", "right", "bottom"])
    rows = np.repeat(found["index"], kept.sum(axis=1))
    return frame.assign(row=rows, score=found["scores"][kept])


def report_detections(folder: Path, config: Config, data: ImageDataModule) -> None:
    """Evaluate the boxes of a finished run on its test pictures, print the table and keep it."""
    found = pd.read_parquet(folder / DETECTIONS)
    results = evaluate_detections(found, data.manifest.frame, data.parts, config.evaluation)
    write_csv(folder / RESULTS, results)
    calibration = calibrate(found, data.manifest.frame, data.parts)
    rows = results.astype(object).where(results.notna(), None).to_dict("records")
    write_json(folder / DETECTOR_FACTS, {"calibration": calibration, "evaluation": rows})
    with console.capture() as shown:
        console.print(terminal(results_table(results)))
        say(f"results in {folder}")
    Run(folder).write_summary(shown.get(), "")
    if not in_sweep():
        print(shown.get(), end="", flush=True)


DETECTION = Recipe(MetaphaseDataModule, build_detector, fit_and_detect, report_detections)
