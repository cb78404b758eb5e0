"""The recipe of a cutter's training: build, fit, predict, evaluate."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from pytorch_lightning import Callback
from torch import nn

from common.cli import console, say
from common.config.schema import Config
from common.errors import UserError
from common.files import write_csv, write_json
from common.runs.files import RunFile
from common.runs.portable import DETECTOR_FACTS
from common.runs.run import ModelFacts, Run
from common.runs.sweeps import in_sweep
from datamodules.image_datamodule import ImageDataModule
from datamodules.metaphases.composed import ComposedDataModule
from evaluation.intervals.methods import t_on_scale
from evaluation.renderers import terminal
from evaluation.tables import Table
from lightning_modules.build import FirstBackbone
from lightning_modules.detection.cutter import FOREIGN, MONITORS, Cutter
from lightning_modules.detection.trained import CUTTER_KIND
from lightning_modules.inference import PredictionCollector, interleaved
from lightning_modules.optimizers import TrainingSettings
from lightning_modules.training.distributed import gather_to_rank_zero, on_rank_zero
from lightning_modules.training.fit import Mode, train_stages, training_facts
from lightning_modules.training.machine import explained_faults
from lightning_modules.training.trainer import build_trainer
from workflows.recipe import Built, Recipe

MASKS = "masks.parquet"  # of the boxes of composed validation and test pictures
RESULTS = "cutting.csv"
WORDS = {
    "network_iou": "mask of the network, IoU",
    "network_contaminated": f"more than {FOREIGN:.0%} of others, network",
    "rule_iou": "mask without the network, IoU",
    "rule_contaminated": f"more than {FOREIGN:.0%} of others, without",
}


def build_cutter(config: Config, data: ImageDataModule, first: FirstBackbone) -> Built:
    """Build the cutter of a run with its first weights; return it with the hashes of what these are.

    Raises:
        UserError: The features do not have the size of the image, or the monitored metric is not of a cutter.
    """
    channels, *size = first.backbone.out_shape
    if size != list(config.prepare.shape):
        raise UserError(f"model.name={config.model.name}: its features are smaller than the image: set model=unet")
    if config.callbacks.monitor not in MONITORS:
        raise UserError(f"callbacks.monitor={config.callbacks.monitor}: choose one of {', '.join(MONITORS)}")
    facts = ModelFacts(list(first.info.mean), list(first.info.std), first.info.args)
    settings = TrainingSettings(config.loss, config.optimizer, config.scheduler)
    model = Cutter(first.backbone.module, nn.Conv2d(channels, 1, 1), facts, settings)
    return model, {"weights": first.info.content_hash(), "init_from": None}


def fit_and_cut(model: Cutter, data: ImageDataModule, config: Config, run: Run, callbacks: Sequence[Callback]) -> None:
    """Train the stages, measure the masks of validation and test pictures, and mark the run as finished."""
    on_rank_zero(data.write_facts, run.folder)
    on_rank_zero(run.write_json, RunFile.MODEL, asdict(model.facts()))
    mode: Mode = "min" if config.callbacks.monitor == "val/loss" else "max"
    stages = train_stages(model, data, config, run.folder, callbacks, mode=mode)
    collector = PredictionCollector()
    with explained_faults(config.loader):
        build_trainer(config, callbacks=[collector]).predict(model, datamodule=data, return_predictions=False)
    shares = gather_to_rank_zero(collector.arrays())
    if shares is not None:
        pd.DataFrame(interleaved(shares)).to_parquet(run.folder / MASKS, index=False)
        run.write_status("finished", best=stages[-1].best, **training_facts(stages))


def report_masks(folder: Path, config: Config, data: ImageDataModule) -> None:
    """Evaluate the masks of a finished run on its composed test pictures, print the table and keep it."""
    masks = pd.read_parquet(folder / MASKS)
    for name in ("network", "rule"):
        masks[f"{name}_contaminated"] = masks[f"{name}_foreign"] > FOREIGN
    masks = masks[(data.parts.to_numpy() == "test")[masks["index"]]]
    frame = data.manifest.frame
    cases = frame["subject"].fillna(frame["image_id"]).to_numpy()[masks["index"]]
    rows = [(name, *_by_case(masks[name], cases, config.evaluation.confidence)) for name in WORDS]
    results = pd.DataFrame(rows, columns=["metric", "value", "low", "high"])
    write_csv(folder / RESULTS, results)
    records = results.astype(object).where(results.notna(), None).to_dict("records")
    write_json(folder / DETECTOR_FACTS, {"kind": CUTTER_KIND, "calibration": (1.0, 0.0), "evaluation": records})
    table = Table.of_frame(
        "Chromosomes of composed test pictures, cut out", results.assign(metric=results["metric"].map(WORDS))
    )
    with console.capture() as shown:
        console.print(terminal(table))
        say(f"results in {folder}")
    Run(folder).write_summary(shown.get(), "")
    if not in_sweep():
        print(shown.get(), end="", flush=True)


def _by_case(values: pd.Series, cases: np.ndarray, confidence: float) -> tuple[float, float | None, float | None]:
    """Return a mean with the ends of its interval, which leaves out case by case; None with a single case."""
    left_out = np.array([values[cases != case].mean() for case in np.unique(cases)])
    mean = float(values.mean())
    if len(left_out) < 2:
        return mean, None, None
    ends = t_on_scale(mean, left_out, confidence, (0.0, 1.0))
    return (mean, ends[0], ends[1]) if ends else (mean, None, None)


CUTTING = Recipe(ComposedDataModule, build_cutter, fit_and_cut, report_masks)
