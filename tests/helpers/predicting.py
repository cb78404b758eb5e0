"""Tiny runs on cells, and scripts/predict.py called on them."""

from pathlib import Path

import pandas as pd
from typer.testing import CliRunner, Result

import train
from scripts.predict import app
from tests.helpers.images import write_class_folders
from tests.helpers.training import small_config

PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
NET = ["model=resnet18", "model.cut=layer1", "trainer.max_epochs=1", "unfreeze=head_only", "protocol=image"]


def train_two(home: Path) -> list[Path]:
    """Train two runs of one fold on cells in folders, without passes; mirror images are averaged."""
    root = write_class_folders(home / "cells", {"hem": 24, "all": 24})
    data = ["data=folder", "data.positive_class=all", f"data_dir={root}", "inference.mirror=true"]
    return [train.run(small_config(home, *NET, f"seed={seed}", "name=cells", data=data)) for seed in range(2)]


def call(*arguments: object) -> Result:
    """Call scripts/predict.py."""
    return CliRunner().invoke(app, list(map(str, arguments)), env=PLAIN)


def table_of(*arguments: object, folder: Path) -> tuple[pd.DataFrame, Result]:
    """Call it, with the table in ``folder``; return the table and what was printed."""
    output = folder / "p.csv"
    result = call(*arguments, "--output", output)
    assert result.exit_code == 0, result.output
    return pd.read_parquet(output.with_suffix(".parquet")), result
