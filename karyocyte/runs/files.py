"""The names of the files in a run's folder. Other packages read and write them through ``Run``."""

from enum import StrEnum
from pathlib import Path

OUTPUTS = Path("outputs")  # the default of output_dir
LATEST = "latest"  # in place of the newest finished run


class RunFile(StrEnum):
    """A file that the folder of a run may hold."""

    IDENTITY = "identity.json"
    CONFIG = "config.yaml"
    ENVIRONMENT = "environment.json"
    STATUS = "status.json"
    PROGRESS = "progress.json"
    USAGE = "usage.json"
    DATA = "data.json"
    SPLIT = "split.csv"
    LEAKS = "leaks.json"
    NEAR_DUPLICATES = "near_duplicates.csv"
    MODEL = "model.json"
    PREDICTIONS = "predictions.parquet"
    PREDICTIONS_TRAIN = "predictions_train.parquet"  # of training images, by the chosen weights
    OUT_OF_DISTRIBUTION = "out_of_distribution.safetensors"  # what new images are compared with
    METRICS = "metrics.json"
    SUMMARY = "summary.txt"  # what the terminal shows of the evaluation
    THUMBNAILS = "thumbnails.parquet"
    ENSEMBLE = "ensemble.json"
    ENSEMBLE_WEIGHTS = "weights.csv"
    LOCK = ".lock"
    STAGE = "stage.json"  # in the checkpoint folder of each finished stage
    EXPORT = "export.json"  # of an export alone: what the files of the training tell
    WEIGHTS = "weights.safetensors"  # of an export, in place of a checkpoint
    CARD = "README.md"  # of an export


# What changes while a run goes on, is text for readers, or is kept elsewhere: not in checksums.json.
NOT_RECORDED = {
    *(RunFile.PROGRESS, RunFile.USAGE, RunFile.SUMMARY, RunFile.LOCK, RunFile.STAGE),
    RunFile.CARD,
}


class RunFolder(StrEnum):
    """A folder in the folder of a run."""

    CHECKPOINTS = "checkpoints"
    LOGS = "logs"
    TENSORBOARD = "tensorboard"
    HEATMAPS = "heatmaps"
