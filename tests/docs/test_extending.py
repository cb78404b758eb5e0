"""The recipes of docs/extending.md: their files, written into a copy of the code, do what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.paths import ROOT
from tests.helpers.images import cell_image, write_image

BLOCK = re.compile(r"```\w+ file=(\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def checkout(tmp_path):
    """A copy of the code, of what a recipe changes and runs."""
    copy = tmp_path / "checkout"
    for name in ("common", "conf", "datamodules", "evaluation", "scripts", "workflows", "hydra_plugins"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def follow(recipe: str, checkout: Path) -> None:
    """Write the files of the section ``## A new <recipe>``; they are appended to files that exist."""
    page = (ROOT / "docs" / "extending.md").read_text()
    section = page.split(f"\n## A new {recipe}")[1].split("\n## ")[0]
    for name, text in BLOCK.findall(section):
        path = checkout / name
        if path.exists():
            text = path.read_text() + "\n\n" + text
        path.write_text(text)


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "120", "PYTHONPATH": str(checkout)}
    return subprocess.run([sys.executable, *command], cwd=checkout, env=environment, capture_output=True, text=True)


def test_a_source(checkout, tmp_path):
    follow("data source", checkout)
    for number in range(10):
        for label in ("blast", "normal"):
            path = tmp_path / "cells" / f"{label}_P{number}_1.png"
            write_image(path, cell_image(number + 100 * (label == "blast")))
    keys = ("data=by_prefix", f"data_dir={tmp_path / 'cells'}", "data.positive_class=blast")
    result = run(checkout, "scripts/prepare_data.py", *keys, "--no-images")
    assert result.returncode == 0, result.stderr
    assert "by_prefix: 20 images" in result.stdout
    mistyped = run(checkout, "scripts/prepare_data.py", *keys, "data.seperator=-")
    assert "did you mean data.separator" in mistyped.stderr


def test_an_augmentation(checkout):
    follow("augmentation", checkout)
    program = """
import numpy as np
from common.config.compose import compose_config
from common.errors import UserError
from datamodules.transforms.augmentation import Augmentation
config = compose_config(["+transform.sharpen=0.4"])
image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
print((Augmentation(config.transform, 0)(image, 0, 0, 0) != image).any())
for override in ("+transform.sharpen=4", "transform.sharpn=0.4", "transform.sharpen=0.4"):
    try:
        compose_config([override])
    except UserError as error:
        print(error)
"""
    output = run(checkout, "-c", program).stdout.splitlines()
    assert output[0] == "True"
    assert "transform: sharpen: a number from 0 to 1 is needed" in output[1]
    assert "did you mean transform.sharpen" in output[2]
    assert "+transform.sharpen=" in output[3]


def test_a_metric(checkout):
    follow("metric", checkout)
    program = """
import numpy as np
from sklearn.metrics import matthews_corrcoef
from common.config.schema import EvaluationConfig
from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.bootstrap import intervals
labels, subjects = np.arange(60) % 2, np.arange(60) // 3
positive = np.random.default_rng(0).random(60)
images = LabelledPredictions(labels, np.column_stack([1 - positive, positive]), ("a", "b"), 1, subjects, True, 0)
mcc = intervals(images, EvaluationConfig(resamples=20))["mcc"]
expected = matthews_corrcoef(labels, positive >= 0.5)
print(abs(mcc.value - expected) < 1e-9, -1 < mcc.low < mcc.value < mcc.high < 1, mcc.low < 0, mcc.method)
"""
    result = run(checkout, "-c", program)
    assert result.stdout.split() == ["True", "True", "True", "logit_t"], result.stderr


COMPOSE = """
import sys
from common.config.compose import compose_config
from lightning_modules.build import build_classifier
from lightning_modules.extensions import build_extra_callbacks
from pathlib import Path
config = compose_config(sys.argv[1:])
model, _ = build_classifier(config, ("hem", "all"), None)
print(config.model.cut, [type(each).__name__ for each in build_extra_callbacks(config, Path("run"), "1-head")])
"""


@pytest.mark.parametrize(
    ("recipe", "overrides", "output"),
    [
        ("callback", ["callbacks=timed", "model=resnet18", "weights=random"], "None ['Timer', 'LearningRateMonitor']"),
        ("backbone", ["+experiment=resnet34_cut", "weights=random", "prepare.size=64"], "layer3 []"),
    ],
)
def test_a_recipe_of_one_yaml(checkout, recipe, overrides, output):
    shutil.copytree(ROOT / "lightning_modules", checkout / "lightning_modules")
    follow(recipe, checkout)
    result = run(checkout, "-c", COMPOSE, *overrides, "trainer.accelerator=cpu")
    assert result.stdout.strip() == output, result.stderr


def test_a_notebook(tmp_path):
    page = (ROOT / "docs" / "extending.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    check = "print(len(batches), 'test/auc' in trainer.callback_metrics, model.num_classes)"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", program + check]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].split()[1:] == ["False", "2"]
