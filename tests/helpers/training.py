"""A small configuration, network and data module to train within a second."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from karyocyte.common.files import write_json
from karyocyte.common.paths import CONF
from karyocyte.composition.compose import check_config
from karyocyte.config.defaults import with_recipe
from karyocyte.config.schema import Config
from karyocyte.evaluation.run import evaluate as evaluation
from karyocyte.evaluation.sections import examples
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.workflows.sweeps.jobs import command_line
from karyocyte.workflows.training import train
from lightning_modules.build.build import build_classifier
from lightning_modules.modules.classifier import Classifier

DRAWN = ["data=synthetic", "data.images=40", "data.subjects=10", "data.size=48"]
QUICK = [
    "weights=random", "prepare.size=32", "loader.batch_size=4", "trainer.max_epochs=2", "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false", "callbacks.early_stopping.enabled=false", "logger.tensorboard=false",
    "evaluation.resamples=20", "split.near_duplicates=off",
]  # fmt: skip
SMALL = [*DRAWN, *QUICK]


@cache
def _compose(overrides: tuple[str, ...], primary: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return with_recipe(compose(primary, list(overrides)), primary)


def composed(overrides: Sequence[str], primary: str = "train") -> DictConfig:
    """Return what Hydra composes from conf/ and ``overrides``, which takes a second the first time."""
    return _compose(tuple(overrides), primary).copy()


@cache
def _checked(overrides: tuple[str, ...], primary: str, data_dir: str | None) -> Any:
    return check_config(composed(overrides, primary))


def small_config(
    tmp_path: Path, *overrides: str, experiment: str | None = None, data: Sequence[str] = DRAWN, primary: str = "train"
) -> Any:
    """Return the typed configuration of a short run at 32 px below ``tmp_path``, by default on 40 synthetic cells."""
    chosen = [f"+experiment={experiment}"] if experiment else []
    quick = QUICK
    if primary != "train":
        quick = [key for key in QUICK if not key.startswith(("prepare.size", "evaluation.resamples"))]
    config = _checked((*chosen, *data, *quick, *overrides), primary, os.environ.get("KARYOCYTE_DATA_DIR"))
    places = {"output_dir": str(tmp_path / "outputs"), "cache_dir": str(tmp_path / "cache")}
    for override in overrides:
        places.pop(override.partition("=")[0], None)
    return config.model_copy(update=places)


def run_undrawn(config: Config) -> Path:
    """Train, evaluate and write all that a run leaves but the drawings of its results, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        leave_out_drawings(patch)
        return train.run(config)


def run_unevaluated(config: Config) -> Path:
    """Train and predict; evaluation and drawings take most of the time of a small run, and follow from predictions."""
    with pytest.MonkeyPatch.context() as patch:
        leave_out_drawings(patch)
        leave_out_report(patch)
        folder = train.run(config)
    assert not Run(folder).has(RunFile.METRICS)  # it was left out
    return folder


def leave_out_drawings(patch: pytest.MonkeyPatch) -> None:
    """Let evaluations draw neither their figures nor example images."""
    patch.setattr(evaluation, "draw_figures", lambda *_: [])
    patch.setattr(examples, "draw_sheet", lambda *_: None)


def leave_out_report(patch: pytest.MonkeyPatch) -> None:
    """Let trainings end with their predictions."""
    patch.setattr(train, "CLASSIFICATION", replace(train.CLASSIFICATION, report=lambda *_: None))


def typed_places(tmp_path: Path) -> list[str]:
    """Return the overrides that put outputs and cache below ``tmp_path``."""
    return [f"output_dir={tmp_path / 'outputs'}", f"cache_dir={tmp_path / 'cache'}"]


def call_main(main: Callable[[], None], tmp_path: Path, *overrides: str) -> int | str | None:
    """Call a script of Hydra in this process, which spares the seconds of imports; return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["script.py", *overrides, *typed_places(tmp_path)])
        try:
            with command_line():
                main()
        except SystemExit as end:
            return end.code
    return 0


def write_untrained_run(folder: Path, config: Config, classes: tuple[str, ...] = ("hem", "all")) -> Classifier:
    """Write what a finished run leaves of its model, with first weights as its best ones; return the model."""
    model, _ = build_classifier(config, classes)
    (folder / "checkpoints").mkdir(parents=True)
    torch.save({"state_dict": model.state_dict()}, folder / "checkpoints" / "best.ckpt")
    write_json(folder / "model.json", asdict(model.facts()))
    write_json(folder / "data.json", {"classes": list(classes), "positive_class": classes[-1]})
    (folder / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    Run(folder).write_status("finished", best="checkpoints/best.ckpt")
    return model.eval()
