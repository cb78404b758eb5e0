"""What importing our packages for a prediction leaves in the process: no Lightning."""

import subprocess
import sys

from karyocyte.common.paths import ROOT

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


def test_a_prediction_imports_neither_lightning_nor_what_draws():
    assert subprocess.run([sys.executable, "-c", PREDICTION], cwd=ROOT).returncode == 0
