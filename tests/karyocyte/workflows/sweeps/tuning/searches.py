"""Searches whose trials take no time: a run is a formula that leaves what a real run leaves for the search to read."""

import math
import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd

from karyocyte.common.files import sha256_of_value, write_json
from karyocyte.config.schema import Config
from karyocyte.runs.run import Run
from karyocyte.workflows.sweeps.tuning import search as tuning
from karyocyte.workflows.sweeps.tuning.settings import take_search
from tests.helpers.training import SMALL, composed


class NoData:
    """Stands for the inspected data."""

    def content_hash(self) -> str:
        return "d" * 64

    def warnings(self) -> list[str]:
        return []

    def describe(self) -> list[str]:
        return ["data: none"]

    def facts(self) -> dict:
        return {"source": "synthetic", "synthetic": True, "folds": 5}


def loss_of(config: Config) -> float:
    """Least at a rate of 1e-3 and a batch of 16."""
    off = (math.log10(config.unfreeze.lr) + 3) ** 2 + (math.log2(config.loader.batch_size) - 4) ** 2 / 4
    return 0.2 + off / 4


def formula_run(config: Config, begun: Callable[[Path], None]) -> Path:
    """Do as train.run does, without training."""
    values = [config.unfreeze.lr, config.loader.batch_size, config.optimizer.entry]
    folder = Path(config.output_dir) / config.name / sha256_of_value(values)[:8]
    begun(folder)
    stage = folder / "checkpoints" / "1-head"
    stage.mkdir(parents=True, exist_ok=True)
    record = {"name": "head", "best": "checkpoints/1-head/best.ckpt", "score": loss_of(config), "epochs": 1}
    write_json(stage / "stage.json", {**record, "images_seen": 1, "seconds": 1.0, "sha256": ""})
    Run(folder).write_status("finished", best=record["best"])
    return folder


def in_a_process(function: Callable[..., object], *arguments: object) -> BaseProcess:
    """Call a function in a process of its own, which has all that this one has patched."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def search(output: Path, *overrides: str) -> tuple:
    """Return what ``tune`` takes, for a search below ``output`` (lr_batch, few random trials)."""
    few = ["+search=lr_batch", "search.startup_trials=2", "search.trials=4"]
    typed = [*SMALL, *few, f"output_dir={output}", *overrides]
    return take_search(composed(typed))


def tune(output: Path, *overrides: str) -> pd.DataFrame:
    """Run a search of formulas and return its table."""
    folder = tuning.tune(*search(output, *overrides))
    return table(folder)


def table(folder: Path) -> pd.DataFrame:
    """Return trials.csv of a study's folder."""
    return pd.read_csv(folder / "trials.csv")
