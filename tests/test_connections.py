"""Nothing is asked of the network unless a user asks for it."""

import os
import subprocess
import sys

from karyocyte.common.paths import ROOT

SWITCHES = ("HF_HUB_OFFLINE", "NO_ALBUMENTATIONS_UPDATE", "WANDB_MODE")  # a user has set none of them


def test_a_training_and_a_prediction_open_no_connection(tmp_path):
    command = [sys.executable, "-m", "tests.helpers.offline"]
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "watched: 1" in done.stdout
    assert done.stdout.splitlines()[-1:] == ["asked: []"], done.stdout[-2000:]
