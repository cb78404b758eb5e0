"""A small configuration, network and data module to train within a second."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from common.config import check_config
from common.runs import ROOT
from common.schema import Config

DRAWN = ["data=synthetic", "data.images=40", "data.subjects=10", "data.size=48"]
QUICK = [
    "weights=random",
    "prepare.size=32",
    "loader.batch_size=4",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false",
    "callbacks.early_stopping.enabled=false",
    "logger.tensorboard=false",
    "evaluation.resamples=20",
    "split.near_duplicates=off",
]
SMALL = [*DRAWN, *QUICK]


def composed(overrides: list[str]) -> DictConfig:
    """Return what Hydra composes from conf/ and ``overrides``."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("train", overrides)


def small_config(tmp_path: Path, *overrides: str, experiment: str | None = None, data: Sequence[str] = DRAWN) -> Config:
    """Return the typed configuration of a short run at 32 px, on 40 drawn cells if not said, below ``tmp_path``."""
    chosen = [f"+experiment={experiment}"] if experiment else []
    places = [f"output_dir={tmp_path / 'outputs'}", f"cache_dir={tmp_path / 'cache'}"]
    return check_config(composed([*chosen, *data, *QUICK, *places, *overrides]))


def command(*overrides: str, script: str = "train.py") -> list[str]:
    """Return the command line of a script of the house, for a process of its own."""
    return [sys.executable, str(ROOT / script), *overrides]
