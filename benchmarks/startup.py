"""Time from the start of a process to the first training batch: imports by library, and the rest."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from common.errors import UserError
from common.paths import ROOT

LIBRARIES = {
    "torch": "torch",
    "timm": "timm",
    "pytorch_lightning": "Lightning",
    "lightning_fabric": "Lightning",
    "lightning_utilities": "Lightning",
    "torchmetrics": "Lightning",  # which imports it, whole
    "hydra": "Hydra",
    "omegaconf": "Hydra",
    "albumentations": "albumentations",
}
OURS = ("common", "datamodules", "lightning_modules", "evaluation", "hydra_plugins", "train", "workflows")
LIBRARIES |= dict.fromkeys(OURS, "our modules")
USUAL = ("+experiment=resnet50_cut_block5", "+profile=smoke", "data=synthetic", "weights=random")
# What is run: each prints, as it ends, the time, its CPU time and the modules that it has imported.
REPORT = """
import json, os, sys, time
def report():
    facts = {"time": time.time(), "cpu": time.process_time(), "modules": sorted(sys.modules)}
    os.write(1, (chr(10) + json.dumps(facts)).encode())
    os._exit(0)
"""
PROGRAMS = {
    "five libraries": REPORT + "import torch, timm, pytorch_lightning, hydra, albumentations\nreport()",
    "train.py": f"""{REPORT}
from common.cli import heavy_imports
with heavy_imports():
    from lightning_modules.classifier import Classifier
Classifier.training_step = lambda *batch: report()
import train
from common.sweeps.jobs import command_line
with command_line():
    train.main()
""",
}


def measure(folder: Path, overrides: Sequence[str], rounds: int) -> pd.DataFrame:
    """Start both programs in turn, with Python's bytecode and without; return medians, a row per case and phase.

    Python itself times the imports (``-X importtime``, which adds some per cent to each); the phase "rest" is what
    remains of the total. ``folder``, empty, is for runs and caches; the images are prepared beforehand.
    """
    print("filling the caches ...")
    first_batch("train.py", folder, overrides)
    rows = []
    for number in range(rounds):
        for case in PROGRAMS:
            for bytecode in (True, False):
                facts = first_batch(case, folder, overrides, bytecode)
                print(f"round {number + 1}, {case}, bytecode={bytecode}: {facts['seconds']:.1f} s")
                phases = imports_by_library(facts["stderr"])
                phases["rest"] = facts["seconds"] - sum(phases.values())
                rows += [(case, bytecode, phase, seconds, float("nan")) for phase, seconds in phases.items()]
                rows.append((case, bytecode, "total", facts["seconds"], facts["cpu"]))
    table = pd.DataFrame(rows, columns=["case", "bytecode", "phase", "wall_s", "cpu_s"])
    medians = table.groupby(["case", "bytecode", "phase"], sort=False).median().reset_index()
    return medians.assign(rounds=rounds)


def first_batch(case: str, folder: Path, overrides: Sequence[str], bytecode: bool = True) -> dict[str, Any]:
    """Start a program of ``PROGRAMS``; return what it reports at its first training batch, "seconds" and "stderr".

    Raises:
        UserError: It ended before.
    """
    environment = dict(os.environ)
    if not bytecode:
        environment |= {"PYTHONPYCACHEPREFIX": str(folder / "none"), "PYTHONDONTWRITEBYTECODE": "1"}
    places = [f"output_dir={folder / str(time.time_ns())}", f"cache_dir={folder / 'cache'}"]
    arguments = [*overrides, *places, "trainer.enable_progress_bar=false"]
    command = [sys.executable, "-X", "importtime", "-c", PROGRAMS[case], *arguments]
    start = time.time()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    last = done.stdout.rpartition("\n")[2]
    if done.returncode or not last.startswith("{"):
        messages = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        reason = "".join(messages[-1:])
        raise UserError(f"{case} {' '.join(overrides[:4])} ended before its first batch: {reason}")
    facts = json.loads(last)
    return {**facts, "seconds": facts["time"] - start, "stderr": done.stderr}


def imports_by_library(stderr: str) -> dict[str, float]:
    """Return the seconds of imports by library, from what ``-X importtime`` prints; each module counts once."""
    microseconds: Counter[str] = Counter()
    for own, package in re.findall(r"^import time: +(\d+) \| +\d+ \| +([^.\s]+)", stderr, re.MULTILINE):
        microseconds[LIBRARIES.get(package, "other libraries")] += int(own)
    return {library: total / 1e6 for library, total in microseconds.items()}


def beyond_libraries(table: pd.DataFrame, clock: str) -> float:
    """Return the median seconds of train.py to its first batch, less those of importing the five libraries."""
    totals = table[(table["phase"] == "total") & table["bytecode"]].set_index("case")[clock]
    return float(totals["train.py"] - totals["five libraries"])
