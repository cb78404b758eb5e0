"""Pairs of hashes that differ in few bits, found without comparing each hash with each."""

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np

BITS = 256
WORDS = 4  # of 64 bits
# Of 23 or 24 bits: so long that of a million hashes few have the same. Of 15 or 16: fewer changes are looked up, which
# takes less time while there are fewer hashes.
_CHUNKS = (11, 17)
_PROBES = 1 << 18  # hashes that are looked up at once
_TOGETHER = 1 << 20  # pairs that are compared at once, where a chunk is alike
_BLOCK = 1 << 15  # pairs that are compared at once, where each hash is compared with each: they stay in the cache
_LOOKUP = 2  # how many pairs are compared, each with each, in the time of one lookup; measured, like the next two
_ALIKE = 25  # and in the time that is needed for a pair with a chunk alike
_FEW = 1 << 12  # to look up fewer hashes for one change takes as long as to look up so many


def close_pairs(hashes: np.ndarray, one: np.ndarray, other: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Yield the pairs of a hash of ``one`` and a hash of ``other`` within ``bits``, some at a time.

    Multi-index hashing (Norouzi, Punjani, Fleet 2012): of two hashes within ``bits``, at least one of C chunks differs
    in at most ``bits // C`` bits. So for each chunk, each value with so few bits changed is looked up among the others.
    The time grows linearly while few hashes share a chunk. Of C = 11 chunks, 17 chunks and a comparison of each hash
    with each, the one that is estimated to be fastest is taken. The pairs are the same, their order is not.

    Args:
        hashes: uint64, shape (images, 4).
        one: Rows of hashes.
        other: Rows of hashes, none of which is in ``one``.
        bits: The largest Hamming distance, 0 to 255.

    Yields:
        Distance, row of ``one`` and row of ``other``, int64, shape (pairs, 3).
    """
    if len(one) > len(other):  # what is looked up takes longer than what is looked up in
        for pairs in close_pairs(hashes, other, one, bits):
            yield pairs[:, [0, 2, 1]]
        return
    chunks = _chunks(hashes, one, other, bits)
    if not chunks:
        yield from _each_with_each(hashes, one, other, bits)
    for number, chunk in enumerate(chunks):
        for left, right in chunk.alike(one, other):
            distance = _distance(hashes[left] ^ hashes[right])
            near = np.flatnonzero(distance <= bits)
            pairs = np.stack([distance[near], left[near], right[near]], axis=1)
            again = np.zeros(len(pairs), bool)
            for earlier in chunks[:number]:
                again |= earlier.are_alike(pairs[:, 1], pairs[:, 2])
            yield pairs[~again]


class _Chunk:
    """One of every so many bits of all hashes: neighbouring bits are alike in images of one kind.

    Attributes:
        values: uint32, shape (images,).
        radius: By how many bits two values that are alike differ at most.
    """

    def __init__(self, hashes: np.ndarray, number: int, chunks: int, radius: int) -> None:
        places = range(number, BITS, chunks)
        self.radius = radius
        self.width = len(places)
        self.values = np.zeros(len(hashes), np.uint32)
        for position, place in enumerate(places):
            bit = hashes[:, place // 64] >> np.uint64(place % 64) & np.uint64(1)
            self.values |= bit.astype(np.uint32) << np.uint32(position)

    def are_alike(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Whether the chunks of pairs of rows differ in at most ``radius`` bits."""
        return np.asarray(np.bitwise_count(self.values[left] ^ self.values[right]) <= self.radius)

    def same(self, one: np.ndarray, other: np.ndarray) -> int:
        """How many pairs have exactly this chunk in common."""
        values, counts = np.unique(self.values[one], return_counts=True)
        others, other_counts = np.unique(self.values[other], return_counts=True)
        _, place, other_place = np.intersect1d(values, others, assume_unique=True, return_indices=True)
        return int(counts[place].astype(np.int64) @ other_counts[other_place])

    def alike(self, one: np.ndarray, other: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the rows of pairs whose chunks differ in at most ``radius`` bits, each once."""
        order = np.argsort(self.values[other], kind="stable")
        table = _SortedValues(self.values[other][order], self.width)
        changes = _changes(self.width, self.radius)
        for start in range(0, len(one), _PROBES):
            block = one[start : start + _PROBES]
            for change in changes:
                for probe, place in table.find(self.values[block] ^ change):
                    yield block[probe], other[order[place]]


class _SortedValues:
    """Sorted values, and which there are at all: a bit for each of the possible ones, 2 MB that stay in the cache."""

    def __init__(self, values: np.ndarray, width: int) -> None:
        self.values = values
        there = np.zeros(1 << width, bool)
        there[values] = True
        self.there = np.packbits(there, bitorder="little")

    def find(self, wanted: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield indices of wanted values and of the equal ones among these, some pairs at a time."""
        found = np.flatnonzero(self.there[wanted >> np.uint32(3)] >> (wanted & np.uint32(7)).astype(np.uint8) & 1)
        first = np.searchsorted(self.values, wanted[found], "left")
        count = np.searchsorted(self.values, wanted[found], "right") - first
        end = np.cumsum(count)
        start = 0
        while start < len(found):
            stop = max(int(np.searchsorted(end, end[start] - count[start] + _TOGETHER, "right")), start + 1)
            times = count[start:stop]
            within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
            yield np.repeat(found[start:stop], times), np.repeat(first[start:stop], times) + within
            start = stop


def _changes(width: int, radius: int) -> np.ndarray:
    """What at most ``radius`` changed bits are, to be XORed with a value, uint32."""
    chosen = [places for count in range(radius + 1) for places in combinations(range(width), count)]
    return np.array([sum(1 << place for place in places) for places in chosen], np.uint32)


def _chunks(hashes: np.ndarray, one: np.ndarray, other: np.ndarray, bits: int) -> list["_Chunk"]:
    """The chunks that take the least time; none where a comparison of each with each takes less.

    Values near a common one are taken to be as common.
    """
    least = len(one) * len(other)
    chosen: list[_Chunk] = []
    for count in _CHUNKS:
        radius = bits // count
        changes = sum(comb(-(-BITS // count), changed) for changed in range(radius + 1))
        time = changes * count * _LOOKUP * max(len(one), _FEW)
        if time >= least:
            continue
        chunks = [_Chunk(hashes, number, count, radius) for number in range(count)]
        time += changes * _ALIKE * sum(chunk.same(one, other) for chunk in chunks)
        if time < least:
            least = time
            chosen = chunks
    return chosen


def _each_with_each(hashes: np.ndarray, one: np.ndarray, other: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    step = max(_BLOCK // max(len(other), 1), 1)
    for start in range(0, len(one), step):
        for other_start in range(0, len(other), _BLOCK):
            rows = one[start : start + step]
            columns = other[other_start : other_start + _BLOCK]
            distance = np.zeros((len(rows), len(columns)), np.uint16)
            for word in range(WORDS):
                distance += np.bitwise_count(hashes[rows, word, None] ^ hashes[None, columns, word])
            left, right = np.nonzero(distance <= bits)
            yield np.stack([distance[left, right].astype(np.int64), rows[left], columns[right]], axis=1)


def _distance(different: np.ndarray) -> np.ndarray:
    """The number of bits of XORed hashes (pairs, 4), int64."""
    return np.asarray(np.bitwise_count(different).sum(axis=1, dtype=np.int64))
