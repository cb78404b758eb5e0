"""What importing our packages leaves in the process: the real compiler, and for a prediction no Lightning."""

import json
import subprocess
import sys

import pytest

from karyocyte.common.paths import ROOT

COMPILED = """
import sys
from types import ModuleType

import karyocyte.inference.networks
import karyocyte.inference.torch_network
import karyocyte.workflows.prediction.predict_images
import karyocyte.workflows.training.train
import torch
from lightning_modules.build.create import create_classifier
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
from lightning_modules.build.load import load_run
from lightning_modules.prediction.out_of_distribution import load_out_of_distribution
from lightning_modules.prediction.mc_dropout import check_dropout
from lightning_modules.training.process import set_up_torch

assert not {"pytorch_lightning", "torchmetrics", "matplotlib", "sklearn", "scipy.stats"} & sys.modules.keys()
"""


# Runs the programs in turn, so that torch is imported once.
ALL_PROGRAMS = """
import json, sys, traceback
errors = []
for program in json.loads(sys.argv[1]):
    try:
        exec(program, {})
        errors.append(None)
    except BaseException:
        errors.append(traceback.format_exc())
print(json.dumps(errors))
"""


@pytest.fixture(scope="module")
def errors() -> list[str | None]:
    """What fails in a process that imports what a prediction needs, and then all that a training needs."""
    command = [sys.executable, "-c", ALL_PROGRAMS, json.dumps([PREDICTION, COMPILED])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_prediction_imports_neither_lightning_nor_what_draws(errors):
    assert errors[0] is None, errors[0]


def test_a_classifier_can_be_compiled_after_our_imports(errors):
    assert errors[1] is None, errors[1]
