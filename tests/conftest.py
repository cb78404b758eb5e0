"""What every test starts with."""

import sys

import pytest


@pytest.fixture(autouse=True)
def keep_subnormal_floats():
    """Undo what a training before has set for the whole process: hypothesis draws no floats where they are flushed."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
