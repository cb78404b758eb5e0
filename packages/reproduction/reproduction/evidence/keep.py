"""Keep the predictions of finished runs: ``python -m reproduction.evidence.keep RUN...``.

A run becomes ``results/evidence/<name>/<protocol>-fold<i>-<hash>/seed=<n>`` with its ``config.yaml`` and its
predictions, probabilities as float16, in the layout of a run: all commands that read predictions take it as one. The
images of each split are listed once, in ``results/evidence/splits``, with the first digits of the SHA-256 of each file
and the probability of the positive class by the area of the cell alone.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
import yaml

from karyocyte.common.cli import report_user_errors, say
from karyocyte.common.errors import UserError
from karyocyte.common.files import atomic_path, write_text
from karyocyte.common.paths import ROOT
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import COLUMNS, Predictions, uncertainty_of
from karyocyte.runs.run import Run, open_runs
from reproduction.claims import EVIDENCE, RESULTS
from reproduction.figures.checkpoints import count_checkpoints
from reproduction.measured import BEST_EPOCH, best_epoch

HEAT = "heat.parquet"  # beside the predictions
DIGITS = 12  # of a SHA-256
MACHINE = ("data_dir", "weights_dir", "cache_dir", "output_dir")  # keys of config.yaml that name folders of a machine
TRAIN_OF = "paper"  # the protocol whose predictions of training images are kept, since papers print figures of them


def keep(run: Run, evidence: Path = RESULTS / EVIDENCE) -> Path:
    """Keep config.yaml and the predictions of a finished run, and its split; return the new folder.

    Raises:
        UserError: The run is not finished, or was made by code that is not committed.
    """
    check_revision(run)
    keep_split(run, evidence)
    folder = evidence / run.folder.parts[-3] / run.folder.parts[-2] / run.folder.name
    kept = Run(folder)
    config = {key: value for key, value in run.raw_config.items() if key not in MACHINE}
    write_text(kept.path(RunFile.CONFIG), yaml.safe_dump(config, sort_keys=False))
    predictions = slim(run.predictions)
    predictions.about[BEST_EPOCH] = best_epoch(run) | count_checkpoints(run)
    kept.write_predictions(predictions)
    if run.predictions_train is not None and run.predictions.about["protocol"] == TRAIN_OF:
        kept.write_predictions(slim(run.predictions_train), RunFile.PREDICTIONS_TRAIN)
    keep_heat(run, folder / HEAT)
    return folder


def keep_heat(run: Run, path: Path) -> None:
    """Write the share of heat and of pixels inside the cell of each test image, if Grad-CAM has explained all.

    Raises:
        UserError: There are maps of several layers, or of another class than the true one.
    """
    files = [file.with_suffix(".csv") for file in run.heatmaps if file.stem.startswith("gradcam-")]
    tables = [table for table in map(pd.read_csv, files) if len(table) == len(run.predictions.part("test").frame)]
    if not tables:
        return
    if len(tables) > 1 or (tables[0]["target"] != tables[0]["label"]).any():
        raise UserError(f"{files[0].parent}: keep one table of all test images, made with target=true")
    shares = tables[0][["image_id", "inside", "content"]]
    with atomic_path(path) as temporary:
        shares.astype({"inside": np.float16, "content": np.float16}).to_parquet(temporary, compression="zstd")


def check_revision(run: Run) -> None:
    """Refuse a run that cannot be repeated: a ``UserError`` says that a part of it has no committed revision."""
    if not run.is_finished:
        raise UserError(f"{run.folder} is not finished: give its command again")
    wrong = [name for name in run.revisions or ("unknown",) if "+" in name or name == "unknown"]
    if wrong:
        raise UserError(
            f"{run.folder} was made by code that is not committed ({wrong[0]}): train it from a clean clone"
        )


def slim(predictions: Predictions) -> Predictions:
    """Return predictions with probabilities as float16, without what is not needed to evaluate them."""
    frame = predictions.frame.sort_values(["part", "image_id"], ignore_index=True)
    shares = frame.columns[frame.columns.str.startswith("prob_")]
    frame = frame[[*COLUMNS, *shares]].astype(dict.fromkeys(shares, np.float16))
    # The entropy follows from the probabilities: it is computed from those that are kept.
    sorted_predictions = replace(predictions, frame=frame)
    frame["uncertainty"] = uncertainty_of(sorted_predictions.probabilities).astype(np.float16)
    return sorted_predictions


def keep_split(run: Run, evidence: Path) -> None:
    """Write the images of the run's split, once; a ``UserError`` says that another one is kept.

    Columns: image_id, subject, label, sha256 (its first digits), part, area (the probability of the positive class by
    the area of the cell alone, float16; missing for training images). Of data sets without persons, which are large,
    training images are left out.
    """
    predictions = run.predictions
    about = predictions.about
    path = evidence / "splits" / f"{about['source']}-{about['protocol']}-fold{about['fold']}.parquet"
    split = run.split[["image_id", "subject", "label", "sha256", "part"]]
    split = split.assign(sha256=split["sha256"].str[:DIGITS])
    if split["subject"].isna().all():
        split = split[split["part"] != "train"]
    area = predictions.frame.set_index("image_id").get(f"baseline_area_{predictions.positive_class}")
    if area is not None:
        split["area"] = split["image_id"].map(area).astype(np.float16)
    split = split.sort_values("image_id", ignore_index=True).astype({"subject": "category", "part": "category"})
    if path.is_file():
        kept = pd.read_parquet(path)
        for column in ("image_id", "sha256", "part"):
            if list(kept[column]) != list(split[column]):
                raise UserError(f"{run.folder} has another split than {path} ({column}): train it on the same files")
        return
    with atomic_path(path) as temporary:
        split.to_parquet(temporary, index=False, compression="zstd")


def run(folders: Annotated[list[Path], typer.Argument(help="The folders of finished runs.")]) -> None:
    """Keep the predictions of finished runs in results/evidence."""
    for each in open_runs(folders):
        say(str(keep(each).relative_to(ROOT)))


if __name__ == "__main__":
    typer.run(report_user_errors()(run))
