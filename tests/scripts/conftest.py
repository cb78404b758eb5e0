"""Tiny runs on drawn cells that the tests of scripts/predict.py share."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from scripts.predict import app
from tests.helpers.images import write_class_folders
from tests.helpers.training import small_config

TINY = ["model=resnet18", "model.cut=layer1", "trainer.max_epochs=1", "unfreeze=head_only", "protocol=image"]


@pytest.fixture(scope="session")
def cell_images(tmp_path_factory) -> Path:
    """Folders of drawn cells of two classes."""
    return write_class_folders(tmp_path_factory.mktemp("predict") / "cells", {"hem": 24, "all": 24})


@pytest.fixture(scope="session")
def cell_runs(cell_images) -> list[Path]:
    """Two runs of one fold on ``cell_images``, without passes, with mirrored images."""
    from workflows import train

    data = ["data=folder", "data.positive_class=all", f"data_dir={cell_images}", "inference.mirror=true"]
    configs = [small_config(cell_images.parent, *TINY, f"seed={seed}", "name=cells", data=data) for seed in range(2)]
    return [train.run(config) for config in configs]


@pytest.fixture(scope="session")
def run_predict():
    """A function that runs scripts/predict.py with the given arguments."""

    def run(*arguments: object) -> Result:
        env = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
        return CliRunner().invoke(app, list(map(str, arguments)), env=env)

    return run


@pytest.fixture
def predict_table(run_predict, tmp_path):
    """A function that runs scripts/predict.py and returns the table and the terminal's text."""

    def run(*arguments: object, name: str = "p") -> tuple[pd.DataFrame, str]:
        output = tmp_path / f"{name}.csv"
        result = run_predict(*arguments, "--output", output)
        assert result.exit_code == 0, result.output
        return pd.read_parquet(output.with_suffix(".parquet")), result.output

    return run
