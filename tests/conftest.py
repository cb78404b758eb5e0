"""What every test starts with."""

import signal
import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def heed_ctrl_c():
    """Let Ctrl-C be heard, which a shell makes what it starts in the background ignore: some tests send it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def keep_subnormal_floats():
    """Undo what a training before has set for the whole process: hypothesis draws no floats where they are flushed."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
