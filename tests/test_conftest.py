"""One test's settings of the process do not reach the next."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st


def test_flushing_is_left_behind():
    assert torch.set_flush_denormal(True)
    assert np.float64(5e-324) * 1 == 0


@given(st.floats(0, 1))
def test_floats_are_drawn_after_it(value):
    assert np.nextafter(0, 1) * 1 > 0
