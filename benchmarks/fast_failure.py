"""Seconds until each command line answers ``--help``, a path that does not exist and no arguments.

Run with ``python -m benchmarks.fast_failure [NAME...]``. Every answer should take less than 1.5 s on a quiet machine;
importing torch alone takes longer.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from common.cli import console
from common.paths import ROOT

HEAVY = ("torch", "pytorch_lightning", "timm", "albumentations", "pandas", "matplotlib", "scipy", "sklearn")
MISSING = "no/such/path"
# In place of a path, where a command line takes something else.
WRONG_ARGUMENTS = {
    "train": (f"data_dir={MISSING}",),
    "tune": ("+search=no_such",),
    "prepare_data": (f"data_dir={MISSING}",),
    "sbatch": ("+experiment=no_such",),
    "compare": ("--results", MISSING),
    "explain": ("heatmaps", MISSING),
    "ensemble": ("average", MISSING, MISSING, "--output", "no/such/output"),
    "error_analysis": (MISSING, MISSING, "--output", "no/such/output"),
    "predict": (MISSING, MISSING),
    "export": (MISSING, "--output", "no/such/output"),
}
NO_ARGUMENTS_ARE_FINE = ("train", "compare", "prepare_data", "sweep_status", "collect")
# Reports an error or the help page, then the large libraries that were imported for it.
PROBE = """
import runpy, sys
script = sys.argv[1]
sys.argv = sys.argv[1:]
try:
    runpy.run_path(script, run_name="__main__")
finally:
    print("IMPORTED", *[name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


class Answer(NamedTuple):
    """How a command line answered: seconds by the clock, the large libraries imported, and the end of its output."""

    seconds: float
    exit_code: int
    imported: tuple[str, ...]
    text: str


def command_lines() -> dict[str, Path]:
    """Return the command lines by name: train.py and those of scripts/."""
    scripts = sorted((ROOT / "scripts").rglob("[!_]*.py"))
    return {path.stem: path for path in [ROOT / "train.py", *scripts]}


def cases(name: str) -> dict[str, tuple[str, ...]]:
    """Return the arguments of each case of a command line."""
    arguments = {"help": ("--help",), "missing": WRONG_ARGUMENTS.get(name, (MISSING,))}
    if name not in NO_ARGUMENTS_ARE_FINE:
        arguments["none"] = ()
    return arguments


def answer(script: Path, arguments: tuple[str, ...]) -> Answer:
    """Run a command line in a process of its own."""
    command = [sys.executable, "-c", PROBE.format(heavy=HEAVY), str(script), *arguments]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    printed, _, imported = done.stderr.rpartition("IMPORTED")
    text = " ".join((printed.strip() or done.stdout).split())
    return Answer(seconds, done.returncode, tuple(imported.split()), text[-200:])


def main() -> None:
    """Print a line per command line and case."""
    for name, script in command_lines().items():
        if name not in (sys.argv[1:] or [name]):
            continue
        for case, arguments in cases(name).items():
            result = answer(script, arguments)
            imported = " ".join(result.imported) or "-"
            console.print(f"{name:15} {case:8} {result.seconds:5.2f} s  exit {result.exit_code}  {imported}")
            console.print(f"    {result.text}", markup=False)


if __name__ == "__main__":
    main()
