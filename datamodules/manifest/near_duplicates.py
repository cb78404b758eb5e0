"""Finds pairs of near-same pictures in two parts by the distance of their perceptual hashes."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from datamodules.manifest.splits import PARTS

KEPT_PAIRS = 10_000  # the closest are listed; all are counted
_BLOCK = 4_000_000  # pairs that are compared at once: 32 MB per word of the hash
_WORDS = 4  # 256 bits as 64-bit words


class Pair(NamedTuple):
    """Two images in two parts.

    Attributes:
        left: Manifest row in the earlier part (train before validation before test).
        right: Manifest row in the later part.
        distance: Hamming distance of the perceptual hashes, 0 to 256 bits.
    """

    left: int
    right: int
    distance: int


def near_pairs(used: pd.DataFrame, bits: int) -> tuple[tuple[Pair, ...], int]:
    """Return the closest pairs of different files in two parts, nearest first, and how many there are.

    All pairs are compared, some millions at a time: 24,000 images take seconds and some 200 MB.

    Args:
        used: ``part``, ``sha256`` and ``phash`` (64 hex digits) of the images; the index is the manifest row.
        bits: Up to which Hamming distance a pair counts, 0 to 255.

    Returns:
        At most `KEPT_PAIRS` pairs, and the number of all.
    """
    hashes = np.frombuffer(bytes.fromhex("".join(used["phash"])), np.uint64).reshape(-1, _WORDS)
    content = pd.factorize(used["sha256"])[0]
    sides = [np.flatnonzero((used["part"] == part).to_numpy()) for part in PARTS]
    kept = np.empty((0, 3), np.int64)
    count = 0
    for one, other in combinations(sides, 2):
        for found in _close(hashes, one, other, bits):
            found = found[content[found[:, 1]] != content[found[:, 2]]]
            count += len(found)
            if len(kept) == KEPT_PAIRS:
                found = found[found[:, 0] < kept[-1, 0]]
            kept = np.concatenate([kept, found])
            kept = kept[np.lexsort((kept[:, 2], kept[:, 1], kept[:, 0]))[:KEPT_PAIRS]]
    rows = used.index.to_numpy()
    return tuple(Pair(int(rows[left]), int(rows[right]), int(distance)) for distance, left, right in kept), count


def _close(hashes: np.ndarray, one: np.ndarray, other: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Yield (distance, left, right) of the pairs within ``bits``, int64 (pairs, 3), block by block."""
    step = max(_BLOCK // max(len(other), 1), 1)
    for start in range(0, len(one), step):
        block = one[start : start + step]
        distance = np.zeros((len(block), len(other)), np.uint16)
        for word in range(_WORDS):
            distance += np.bitwise_count(hashes[block, word, None] ^ hashes[None, other, word])
        left, right = np.nonzero(distance <= bits)
        yield np.stack([distance[left, right].astype(np.int64), block[left], other[right]], axis=1)
