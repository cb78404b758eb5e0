"""Portable models in tests: runs to export, and command lines without some packages."""

import subprocess
import sys
from pathlib import Path

from karyocyte.common.paths import ROOT
from tests.helpers.training import run_undrawn, small_config

TINY = ["model=resnet18", "model.cut=layer1", "trainer.max_epochs=1", "unfreeze=head_only", "protocol=image"]
# What torch brings, and the packages of this project that the dependency group `predict` leaves out.
TORCH = ("torch", "torchvision", "pytorch_lightning", "lightning_fabric", "torchmetrics", "timm", "albumentations")
UNNEEDED = (*TORCH, "hydra", "safetensors", "huggingface_hub", "optuna", "onnx")
# Runs a command line in an interpreter that finds none of some packages.
_WITHOUT = """
import runpy, sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {blocked!r} else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_without(packages: tuple[str, ...], script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script of the project in a process of its own, as if ``packages`` were not installed."""
    command = [sys.executable, "-c", _WITHOUT.format(blocked=packages), script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def train_on_cells(images: Path) -> list[Path]:
    """Train two runs of one fold on folders of the classes hem and all, with mirrored images; return their folders."""
    data = ["data=folder", "data.positive_class=all", f"data_dir={images}", "inference.mirror=true"]
    configs = [small_config(images.parent, *TINY, f"seed={seed}", "name=cells", data=data) for seed in range(2)]
    return [run_undrawn(config) for config in configs]


def train_on_chromosomes(data: Path, *overrides: str) -> Path:
    """Train a run on single chromosomes of ``data``, as their experiment but small; return its folder."""
    net = ["model=resnet18", "model.cut=layer1", "trainer.max_epochs=2", "trainer.precision=32-true"]
    canvas = ["prepare.size=[64,24]", "prepare.canvas.area=150", f"data_dir={data}"]
    data_set = ["data=chromosomes"]
    return run_undrawn(small_config(data.parent, *net, *canvas, *overrides, experiment="chromosomes", data=data_set))
