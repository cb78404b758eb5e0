"""The recipes of docs/guides/extending.md: their files, written into a copy of the code, do what they say."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from karyocyte.common.paths import ROOT
from tests.helpers.images import cell_image, write_image

PAGE = ROOT / "docs" / "guides" / "extending.md"
FILES = re.findall(r"```\w+ file=(\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
TEST_FILES = [name for name, _ in FILES if name.startswith("tests/")]
PROGRAM_FILES = [name for name, _ in FILES if name.endswith(".py") and name not in TEST_FILES]
RUFF = ("ruff", "check", *PROGRAM_FILES, *TEST_FILES)
SOURCE = """
import runpy, sys
keys = ["data=by_prefix", "data_dir=cells", "data.positive_class=blast"]
for more in (["--no-images"], ["data.nmae=-"]):
    sys.argv = ["scripts/prepare_data.py", *keys, *more]
    try:
        runpy.run_path("scripts/prepare_data.py", run_name="__main__")
    except SystemExit as end:
        assert bool(end.code) == ("--no-images" not in more), end.code
"""
AUGMENTATION = """
import numpy as np
from karyocyte.composition.compose import compose_config
from karyocyte.common.errors import UserError
from datamodules.transforms.augmentation import Augmentation
own = "+transform.extra.sharpen"
image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
words = ["data=synthetic", "transform=none", f"{own}._target_=albumentations.Sharpen", f"{own}.alpha=[0.4,0.4]"]
print((Augmentation(compose_config([*words, f"{own}.p=1"]).transform, 0)(image, 0, 0, 0) != image).any())
for wrong in (f"{own}.sharpnes=1", f"{own}._target_=albumentations.Sharpn", "+transform.sharpen=0.4"):
    try:
        Augmentation(compose_config([*words, wrong]).transform, 0)
    except UserError as error:
        print(error)
"""
METRIC = """
import numpy as np
from sklearn.metrics import matthews_corrcoef
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.intervals.over_subjects import intervals
labels, subjects = np.arange(60) % 2, np.arange(60) // 3
positive = np.random.default_rng(0).random(60)
images = LabelledPredictions(labels, np.column_stack([1 - positive, positive]), ("a", "b"), 1, subjects, "subjects")
mcc = intervals(images, EvaluationConfig(resamples=20))["mcc"]
expected = matthews_corrcoef(labels, positive >= 0.5)
print(abs(mcc.value - expected) < 1e-9, -1 < mcc.low < mcc.value < mcc.high < 1, mcc.low < 0, mcc.method)
"""
COMPOSE = """
from karyocyte.composition.compose import compose_config
from lightning_modules.build.build import build_classifier
from lightning_modules.modules.staged_module import count_parameters
config = compose_config(OVERRIDES)
model, _ = build_classifier(config, ("hem", "all"))
print(config.model.cut, count_parameters(model)[1])
"""
TRAINING = """
import pathlib, runpy, sys
sys.argv = ["train.py", "data=synthetic", "+profile=smoke", "model.name=small_cnn", "weights=random", "unfreeze=whole",
    "head.logits=2", "loss._target_=lightning_modules.focal_loss.FocalLoss", "~loss.label_smoothing", "+loss.gamma=1.5",
    "callbacks=timed",
    "callbacks.monitor=val/balanced_accuracy", "+transform.extra.sharpen._target_=albumentations.Sharpen",
    "+transform.extra.sharpen.alpha=[0.0,0.4]",
    "+evaluation.extra.true_class._target_=karyocyte.evaluation.true_class.true_class",
    "trainer.accelerator=cpu", "data.images=48", "data.subjects=12", "output_dir=outputs", "cache_dir=cache",
    "logger.tensorboard=false"]
runpy.run_path("train.py", run_name="__main__")
(run,) = pathlib.Path("outputs").glob("*/*/seed=0")
print('"mcc"' in (run / "metrics.json").read_text(), (run / "true_class.csv").read_text().count("\\n"))
"""
PROGRAMS = {
    "source": SOURCE,
    "augmentation": AUGMENTATION,
    "metric": METRIC,
    "backbone": "OVERRIDES = ['+experiment=resnet34_cut', 'weights=random', 'prepare.size=64', "
    "'trainer.accelerator=cpu']" + COMPOSE,
    "training": TRAINING,
    "tests": f"import pytest; print(int(pytest.main({TEST_FILES})))",
}
# Goes through all programs in one process, whose imports take most of the time.
ALL_PROGRAMS = """
import contextlib, io, json, pathlib, traceback
printed = {}
for name, program in json.loads(pathlib.Path("programs.json").read_text()).items():
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.redirect_stderr(text):
        try:
            exec(program, {})
        except Exception:
            traceback.print_exc()
    printed[name] = text.getvalue()
pathlib.Path("printed.json").write_text(json.dumps(printed))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the code with the files of all recipes."""
    checkout = tmp_path_factory.mktemp("extended") / "checkout"
    for name in ("conf", "datamodules", "hydra_plugins", "karyocyte", "lightning_modules", "scripts", "tests"):
        # With what is compiled, but not the files that another process is writing.
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    for name in ("train.py", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout)
    for name, text in FILES:
        before = (checkout / name).read_text() + "\n\n" if (checkout / name).exists() else ""
        if text not in before:  # as in the checkout of someone who follows the page
            (checkout / name).write_text(before + text)
    return checkout


@pytest.fixture(scope="module")
def printed(checkout) -> dict[str, str]:
    """What the programs print in the copy."""
    for number in range(10):
        for label in ("blast", "normal"):
            write_image(checkout / "cells" / f"{label}_P{number}_1.png", cell_image(number + 100 * (label == "blast")))
    (checkout / "programs.json").write_text(json.dumps(PROGRAMS))
    environment = os.environ | {"COLUMNS": "120", "PYTHONPATH": str(checkout), "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", ALL_PROGRAMS], cwd=checkout, env=environment, check=True)
    return json.loads((checkout / "printed.json").read_text())


@pytest.mark.parametrize("words", [RUFF, pytest.param(("mypy", *PROGRAM_FILES), marks=pytest.mark.slow)])
def test_the_files_keep_the_rules_of_style_and_of_types(checkout, words):
    done = subprocess.run([sys.executable, "-m", *words], cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_source(printed):
    assert "by_prefix: 20 images" in printed["source"]
    assert "did you mean `data.name" in printed["source"], printed["source"]
    assert "Traceback" not in printed["source"]


def test_an_augmentation(printed):
    changed, *errors = printed["augmentation"].splitlines()
    assert changed == "True", errors
    assert "transform.extra.sharpen" in errors[0]
    assert "albumentations.Sharpn" in errors[1]
    assert "unknown key transform.sharpen" in errors[2]


def test_a_metric(printed):
    assert printed["metric"].split() == ["True", "True", "True", "logit_t"]


def test_a_backbone_and_the_tests(printed):
    assert printed["tests"].endswith("\n0\n"), printed["tests"]
    assert printed["backbone"].splitlines()[-1].startswith("layer3 ")


def test_a_training_with_a_network_a_loss_a_section_a_monitored_metric_and_callbacks(printed):
    lines = printed["training"].splitlines()
    assert lines[-1] == "True 3", printed["training"]
    assert any("val/balanced_accuracy" in line for line in lines)
