"""Tests of what leans on the inside of other libraries."""

import subprocess
import sys

PROGRAM = """
import sys

from karyocyte.common.compat import import_lightning

import_lightning()
assert {"timm", "pytorch_lightning"} <= sys.modules.keys()
assert not {"torch._dynamo", "torch._dynamo.utils", "scipy.signal"} & sys.modules.keys()
import torch

weight = torch.nn.Parameter(torch.ones(1))
optimizer = torch.optim.SGD([weight], lr=0.5)
weight.sum().backward()
optimizer.step()
assert weight.item() == 0.5
from scipy.signal import windows
from torch._dynamo import OptimizedModule

assert issubclass(OptimizedModule, torch.nn.Module)
assert windows.hamming(3).max() == 1
"""


def test_lightning_is_imported_without_the_compiler_and_a_training_has_it_later():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
