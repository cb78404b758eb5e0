"""The recipe of a detector's training: build, fit, predict, evaluate."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cytogenetics.config.networks import DetectorConfig
from cytogenetics.metaphases.box_finder import logits_of
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from cytogenetics.metaphases.training.evaluate_detections import (
    READING,
    SIDES,
    WORDS,
    Detected,
    calibrate,
    choose_box_threshold,
)
from cytogenetics.metaphases.training.steps import Found, build_network, fit_and_predict, report
from datamodules.split_datamodule import SplitDataModule
from karyocyte.evaluation.intervals.by_case import by_case
from karyocyte.evaluation.types.table import Table
from karyocyte.recipes.recipe import Recipe

DETECTIONS = "detections.parquet"  # boxes of the validation and test pictures, in pixels of the file
RESULTS = "detection.csv"


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
    measure = partial(test.measure, threshold=choose_box_threshold(validation))
    results = by_case(measure, test.pictures["case"], config.evaluation.confidence)
    shown = results.assign(metric=results["metric"].replace(WORDS))
    table = Table.of_frame("Detected chromosomes on the test pictures", shown, reading=READING)
    calibration = calibrate(logits_of(validation.found[["score"]].to_numpy()), validation.found["ap50"].to_numpy())
    report(folder, RESULTS, results, table, {"calibration": calibration})


DETECTION = Recipe(MetaphaseDataModule, build_network, partial(fit_and_predict, write=write_boxes), report_detections)
