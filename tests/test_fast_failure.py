"""Usage errors and help pages import no large library, so that every command line answers at once."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from common.paths import ROOT

HEAVY = ("torch", "pytorch_lightning", "timm", "albumentations", "pandas", "matplotlib", "scipy", "sklearn")
MISSING = "no/such/path"
# In place of a path, where a command line takes something else.
WRONG_ARGUMENTS = {
    "train": (f"data_dir={MISSING}",),
    "tune": ("+search=no_such",),
    "prepare_data": (f"data_dir={MISSING}",),
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
    """How a command line answered: its exit code, the large libraries that it imported, and the end of its output."""

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
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    printed, _, imported = done.stderr.rpartition("IMPORTED")
    text = " ".join((printed.strip() or done.stdout).split())
    return Answer(done.returncode, tuple(imported.split()), text[-200:])


CASES = [(name, case) for name in command_lines() for case in cases(name)]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_usage_errors_and_help_import_no_large_library(name, case):
    result = answer(command_lines()[name], cases(name)[case])
    assert result.imported == ()
    assert "Traceback" not in result.text
    if case == "help":
        assert result.exit_code == 0
    else:
        assert result.exit_code in (1, 2)
        assert result.text
