"""The main job from the configuration to the report, and each package once: `make test`."""

import importlib
from pathlib import Path

import pytest

from karyocyte.commands import train
from tests.helpers.terminal import run_app
from tests.helpers.training import call_main

TINY = (
    "data.images=48", "data.subjects=12", "data.size=64", "prepare.size=64", "model.name=resnet18",
    "model.cut=layer2", "loader.batch_size=8", "trainer.max_images=32", "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false", "logger.tensorboard=false", "split.near_duplicates=off",
    "evaluation.resamples=50",
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("smoke")


def run_train(home: Path, *overrides: str, code: int = 0) -> None:
    assert call_main(train.main, home, *overrides) == code


@pytest.fixture(scope="module")
def run(home) -> Path:
    """The main job: the stages of resnet50_cut_block5 with a smaller network, on synthetic cells."""
    run_train(home, "+experiment=resnet50_cut_block5", "+profile=demo", *TINY)
    return next((home / "outputs" / "resnet50_cut_block5").glob("*/seed=0"))


@pytest.fixture(scope="module")
def other_seed(home, run) -> Path:
    run_train(home, "+experiment=resnet50_cut_block5", "+profile=demo", *TINY, "seed=1")
    return run.with_name("seed=1")


def call(script: str, *arguments: str | Path) -> str:
    return run_app(importlib.import_module(f"scripts.{script}").app, *arguments).output


def test_evaluate_compares_two_seeds(run, other_seed, home):
    call("evaluate", run, other_seed, "--output", home / "evaluated")
    assert (home / "evaluated" / "roc.png").is_file()
    assert (home / "evaluated" / "pairs.csv").is_file()


def test_ensemble_is_a_run_that_predict_takes(run, other_seed, home):
    ensemble = home / "ensemble"
    call("ensemble", "average", run, other_seed, "--output", ensemble)
    image = next((home / "cache").rglob("*.png"))
    call("predict", ensemble, image, "--output", home / "new.csv")
    assert len((home / "new.csv").read_text().splitlines()) == 2


def test_heat_maps_and_report(run):
    call("explain", "heatmaps", run)
    call("report", run)
    assert (run / "report.html").stat().st_size > 10_000
