"""What the Tab key of bash offers after ``source scripts/completion.bash``."""

import subprocess
import sys
from pathlib import Path

import pytest

from common.paths import ROOT

COMPLETE = """
source scripts/completion.bash
COMP_LINE=$1 COMP_POINT=${#1}
_karyocyte_completion
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("scripts/evaluate.py A --outp", ["--output"]),
        ("scripts/evaluate.py A --part ", ["test", "validation"]),
        ("scripts/review.py A --rea", ["--reader"]),
        ("train.py split.fo", ["split.fold=", "split.folds="]),
        ("train.py +experiment=resnet50_cut_block5_f", ["resnet50_cut_block5_features"]),
        ("README.md ", [""]),
    ],
)
def test_options_values_and_keys_are_completed(typed, offered):
    line = f"{Path(sys.executable)} {typed}"
    done = subprocess.run(["bash", "-c", COMPLETE, "bash", line], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.removesuffix("\n").split("\n") == offered
