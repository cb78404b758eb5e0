"""Seeds as pure functions of what they are for."""

import zlib

import numpy as np


def derive_seed(stream: str, *parts: int) -> int:
    """Mix the name of a stream of random numbers and non-negative integers into one 63-bit seed.

    Near inputs give unrelated seeds, and so do different streams and different numbers of parts: SeedSequence alone
    takes (3,) and (3, 0) for the same.
    """
    key = (zlib.crc32(stream.encode()), len(parts), *parts)
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
