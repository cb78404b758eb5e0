"""What importing our packages leaves in the process: the real compiler, and for a prediction no Lightning."""

import subprocess
import sys

from karyocyte.common.paths import ROOT

COMPILED = """
import sys
from types import ModuleType

import karyocyte.inference.networks
import karyocyte.inference.torch_network
import karyocyte.workflows.prediction.predict_images
import karyocyte.workflows.training.train
import torch
from lightning_modules.create import create_classifier
from pytorch_lightning.utilities.compile import from_compiled

assert isinstance(sys.modules["torch._dynamo"], ModuleType)
assert issubclass(sys.modules["torch._dynamo"].OptimizedModule, torch.nn.Module)
model = create_classifier("scratch_cnn", num_classes=2, image_size=60).eval()
images = torch.rand(2, 3, 60, 60)
compiled = torch.compile(model, backend="eager")
assert torch.allclose(compiled(images), model(images))
assert from_compiled(compiled) is model
"""

PREDICTION = """
import sys

import karyocyte.inference.torch_network
import karyocyte.workflows.prediction.predict_images
from lightning_modules.load import load_run
from lightning_modules.out_of_distribution import load_out_of_distribution
from lightning_modules.prediction.mc_dropout import check_dropout
from lightning_modules.training.process import set_up_torch

assert not {"pytorch_lightning", "torchmetrics", "matplotlib", "sklearn", "scipy.stats"} & sys.modules.keys()
"""


def assert_runs(program):
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_classifier_can_be_compiled_after_our_imports():
    assert_runs(COMPILED)


def test_a_prediction_imports_neither_lightning_nor_what_draws():
    assert_runs(PREDICTION)
