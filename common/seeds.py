"""Seeds as pure functions of what they are for."""

import numpy as np


def derive_seed(*parts: int) -> int:
    """Mix non-negative integers into one 63-bit seed, such that near inputs give unrelated seeds."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
