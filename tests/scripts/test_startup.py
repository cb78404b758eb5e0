"""Help pages and usage errors come before the imports that take seconds."""

import os
import re
import subprocess
import sys

import pytest

from common.paths import ROOT

HEAVY = "torch|numpy|sklearn|scipy|matplotlib"


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        ("evaluate.py --help", f"{HEAVY}|pandas|pydantic"),
        ("predict.py --help", f"{HEAVY}|pandas"),
        ("predict.py no_run no_images", f"{HEAVY}|pandas"),
        ("explain.py layers --help", "torch"),
    ],
)
def test_nothing_heavy_is_imported(tmp_path, arguments, heavy):
    script, *words = arguments.split()
    command = [sys.executable, "-X", "importtime", str(ROOT / "scripts" / script), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == int("--help" not in words), done.stderr[-500:]
    assert not re.findall(rf"\| +({heavy})$", done.stderr, flags=re.MULTILINE)
