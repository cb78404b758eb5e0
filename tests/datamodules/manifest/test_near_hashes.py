"""The pairs of an index are those of a comparison of each with each."""

import numpy as np
import pytest

from datamodules.manifest import near_hashes
from datamodules.manifest.near_hashes import close_pairs


@pytest.fixture
def hashes():
    """Return 300 hashes, of which many are copies of others with some bits changed."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (300, 256), dtype=np.uint8)
    for row in range(150):
        bits[row] = bits[row % 40 + 200]
        bits[row, rng.choice(256, row % 44, replace=False)] ^= 1
    return np.packbits(bits, axis=1).view(np.uint64)


def found(hashes, one, other, bits):
    pairs = np.concatenate([np.empty((0, 3), np.int64), *close_pairs(hashes, one, other, bits)])
    return sorted(map(tuple, pairs.tolist()))


def by_a_loop(hashes, one, other, bits):
    distance = np.bitwise_count(hashes[one, None] ^ hashes[None, other]).sum(axis=2, dtype=np.int64)
    return sorted((int(distance[i, j]), int(one[i]), int(other[j])) for i, j in zip(*np.nonzero(distance <= bits)))  # noqa: B905


@pytest.mark.parametrize("chunks", [11, 17])
@pytest.mark.parametrize(("bits", "first", "together"), [(0, 100, 1 << 20), (10, 220, 3), (11, 100, 3), (32, 220, 3)])
def test_chunks_find_each_pair_once(hashes, monkeypatch, bits, first, together, chunks):
    monkeypatch.setattr(near_hashes, "_CHUNKS", (chunks,))
    monkeypatch.setattr(near_hashes, "_LOOKUP", 0)
    monkeypatch.setattr(near_hashes, "_ALIKE", 0)
    monkeypatch.setattr(near_hashes, "_TOGETHER", together)
    monkeypatch.setattr(near_hashes, "_PROBES", 64)
    monkeypatch.setattr(near_hashes, "_each_with_each", lambda *_: pytest.fail("each with each"))
    rows = np.random.default_rng(1).permutation(300)
    one, other = rows[:first], rows[first:]
    wanted = by_a_loop(hashes, one, other, bits)
    assert wanted
    assert found(hashes, one, other, bits) == wanted


def test_where_all_are_alike_each_is_compared_with_each(monkeypatch):
    calls = []
    monkeypatch.setattr(near_hashes, "_each_with_each", lambda *arguments: calls.append(1) or iter(()))
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (60_000, 4), np.uint64)
    one, other = np.arange(30_000), np.arange(30_000, 60_000)
    list(close_pairs(hashes, one, other, 0))
    assert not calls
    list(close_pairs(np.zeros_like(hashes), one, other, 0))
    assert calls
