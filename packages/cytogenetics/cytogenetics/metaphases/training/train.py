"""The recipe of a detector's training: build, fit, predict, evaluate."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cytogenetics.config.networks import DetectorConfig
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from cytogenetics.metaphases.networks.detector import MONITORS, Detector
from cytogenetics.metaphases.networks.network import CentreDecoder, levels_of
from cytogenetics.metaphases.training.evaluate_detections import (
    READING,
    SIDES,
    WORDS,
    Detected,
    calibrate,
    evaluate_detections,
)
from cytogenetics.metaphases.training.steps import Found, fit_and_predict, load_start, report, settings_of
from datamodules.split_datamodule import SplitDataModule
from karyocyte.evaluation.types.table import Table
from karyocyte.recipes.recipe import Built, Recipe
from lightning_modules.build.build import InitialisedBackbone

DETECTIONS = "detections.parquet"  # boxes of the validation and test pictures, in pixels of the file
RESULTS = "detection.csv"


def build_detector(config: DetectorConfig, data: SplitDataModule, first: InitialisedBackbone) -> Built:
    """Build the detector of a run with its first weights; return it with the hashes of what these are.

    Raises:
        UserError: The network is no ResNet, or the monitored metric not of a detector.
    """
    network = first.backbone.module
    with torch.no_grad():
        levels = levels_of(network.eval(), torch.zeros(1, 3, 64, 64))
    torch.set_rng_state(first.random_state)
    decoder = CentreDecoder([level.shape[1] for level in levels], config.decoder.width)
    model = Detector(network, decoder, *settings_of(config, first, MONITORS))
    if config.trainer.channels_last:
        model.to(memory_format=torch.channels_last)
    return model, {"weights": first.info.content_hash(), "init_from": load_start(model, config.init_from)}


def write_boxes(found: Found, config: DetectorConfig, folder: Path) -> None:
    """Write a row per box: SIDES in pixels of the file, ``row`` of the manifest and ``score``."""
    kept = found["scores"] > 0
    frame = pd.DataFrame(found["boxes"][kept] / config.prepare.canvas.scale, columns=SIDES)
    frame = frame.assign(row=np.repeat(found["index"], kept.sum(axis=1)), score=found["scores"][kept])
    frame.to_parquet(folder / DETECTIONS, index=False)


def report_detections(folder: Path, config: DetectorConfig, data: SplitDataModule) -> None:
    """Evaluate the boxes of a finished run on its test pictures, print the table and keep it."""
    found = pd.read_parquet(folder / DETECTIONS)
    validation, test = (Detected.of(found, data.manifest.frame, data.parts, part) for part in ("validation", "test"))
    results = evaluate_detections(validation, test, config.evaluation.confidence)
    shown = results.assign(metric=results["metric"].replace(WORDS))
    table = Table.of_frame("Detected chromosomes on the test pictures", shown, reading=READING)
    report(folder, RESULTS, results, table, {"calibration": calibrate(validation)})


DETECTION = Recipe(MetaphaseDataModule, build_detector, partial(fit_and_predict, write=write_boxes), report_detections)
