import os
import signal
import subprocess
import sys

import pytest

from common.paths import ROOT


@pytest.mark.parametrize(("error", "traceback"), [("KeyboardInterrupt", False), ("ValueError('x')", True)])
def test_an_interrupt_has_no_traceback_and_other_errors_have_one(error, traceback):
    code = f"from common.errors import quiet_interrupts; quiet_interrupts(); raise {error}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env={**os.environ})
    assert ("Traceback" in done.stderr) == traceback
    assert (done.stderr == "interrupted\n") == (not traceback)
    assert done.returncode == (1 if traceback else -signal.SIGINT)
