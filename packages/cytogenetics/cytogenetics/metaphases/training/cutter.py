"""The recipe of a cutter's training: build, fit, predict, evaluate."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cytogenetics.config.networks import CutterConfig
from cytogenetics.metaphases.data.composed import ComposedDataModule
from cytogenetics.metaphases.networks.cutter import CONTAMINATED_ABOVE
from cytogenetics.metaphases.training.steps import Found, build_network, fit_and_predict, keep_results
from datamodules.split_datamodule import SplitDataModule
from karyocyte.common.errors import UserError
from karyocyte.evaluation.intervals.by_case import by_case
from karyocyte.recipes.recipe import Built, Recipe
from lightning_modules.build.build import InitialisedBackbone

MASKS = "masks.parquet"  # of the boxes of composed validation and test pictures
RESULTS = "cutting.csv"
WORDS = {
    "network_iou": "mask of the network, IoU",
    "network_contaminated": f"more than {CONTAMINATED_ABOVE:.0%} of others, network",
}


def build_cutter(config: CutterConfig, data: SplitDataModule, first: InitialisedBackbone) -> Built:
    """Build the cutter of a run with its first weights; return it with the hashes of what these are.

    Raises:
        UserError: The features do not have the size of the image, or the monitored metric is not of a cutter.
    """
    _, *size = first.backbone.out_shape
    if size != [config.backbone_size] * 2:
        raise UserError(f"model.name={config.model.name}: its features are smaller than the image: set model=unet")
    return build_network(config, data, first)


def write_masks(found: Found, config: CutterConfig, folder: Path) -> None:
    """Write a row per box: ``index`` of its picture, and the agreement of its masks, see ``Cutter.predict_step``."""
    pd.DataFrame(found).to_parquet(folder / MASKS, index=False)


def report_masks(folder: Path, config: CutterConfig, data: SplitDataModule) -> None:
    """Evaluate the masks of a finished run on its composed test pictures, print the table and keep it."""
    masks = pd.read_parquet(folder / MASKS)
    masks["network_contaminated"] = (masks["network_others"] > CONTAMINATED_ABOVE).astype(np.float64)
    masks = masks[(data.parts.to_numpy() == "test")[masks["index"]]]
    frame = data.manifest.frame
    cases = frame["subject"].fillna(frame["image_id"]).iloc[masks["index"]]
    results = by_case(lambda kept: masks.loc[kept, list(WORDS)].mean().to_dict(), cases, config.evaluation.confidence)
    keep_results(
        folder / RESULTS, results, "Chromosomes of composed test pictures, cut out", WORDS, calibration=(1.0, 0.0)
    )


CUTTING = Recipe(ComposedDataModule, build_cutter, partial(fit_and_predict, write=write_masks), report_masks)
