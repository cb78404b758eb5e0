import os
import shlex
import signal
import subprocess
import sys

import pytest

from karyocyte.common.paths import ROOT


def test_output_that_nobody_reads_on_ends_without_a_traceback():
    code = "from karyocyte.common.errors import quiet_interrupts; quiet_interrupts(); print('x' * 10**6)"
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} | head -c 1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("x", "")


@pytest.mark.parametrize(("error", "traceback"), [("KeyboardInterrupt", False), ("BrokenPipeError", True)])
def test_an_interrupt_has_no_traceback_and_other_errors_have_one(error, traceback):
    code = f"from karyocyte.common.errors import quiet_interrupts; quiet_interrupts(); raise {error}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env={**os.environ})
    assert ("Traceback" in done.stderr) == traceback
    assert (done.stderr == "interrupted\n") == (not traceback)
    assert done.returncode == (1 if traceback else -signal.SIGINT)


def test_a_script_of_another_checkout_than_the_installed_one_is_refused(tmp_path):
    script = tmp_path / "scripts" / "collect.py"
    (tmp_path / "karyocyte").mkdir()
    script.parent.mkdir()
    script.write_text("from karyocyte.common.errors import quiet_interrupts; quiet_interrupts()")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    has = f"error: this environment has the packages of {ROOT}: make setup in {tmp_path}, or use its environment\n"
    assert done.stderr == has


COMMANDS = sorted((ROOT / "karyocyte" / "commands").glob("[!_]*.py"))
FIRST = ("quiet_interrupts()", "from karyocyte.commands.shared.program import")  # the second does the first
LARGE = ("datamodules", "karyocyte.evaluation", "lightning_modules", "karyocyte.workflows")
LATER = ("import hydra", *(f"from {name}" for name in LARGE))


@pytest.mark.parametrize("script", COMMANDS, ids=lambda path: path.stem)
def test_every_command_handles_ctrl_c_before_it_imports_a_large_library(script):
    lines = script.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(FIRST))
    assert not any(line.startswith(LATER) for line in lines[:first])
