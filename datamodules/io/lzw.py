"""The lengths of LZW streams of TIFF and GIF: decoders stop when the picture is full, and pass over what is left.

A code that was changed stands for a string of another length. Then the stream does not end where the picture does.
"""

import numpy as np

_MOST_CODES = 4096  # entries of the table, those of the values among them
_WIDEST = 12  # bits of a code
_MOST_BLOCKS = 10_000  # of codes between two that clear the table: a hostile file may have millions


def unpacked_length(packed: bytes, value_bits: int, is_tiff: bool) -> int | None:
    """Return how many values of so many bits a stream stands for, up to its end; None if that cannot be counted.

    In a TIFF file codes begin with their highest bit and become wider one code early, in a GIF file neither.

    Raises:
        ValueError: A code refers to one that comes later.
    """
    widths = _widths(value_bits, early=int(is_tiff))
    ends = np.cumsum(widths, dtype=np.int32)
    starts, highest, masks = ends - widths, 24 - widths, (1 << widths) - 1
    words = _words(packed, is_tiff)
    clear, length, start = 1 << value_bits, 0, 0
    for _ in range(_MOST_BLOCKS):
        if start + value_bits >= 8 * len(packed):
            return length
        count = int(np.searchsorted(ends, 8 * len(packed) + 1 - start, side="right"))
        places = starts[:count] + start
        shifts = highest[:count] - (places & 7) if is_tiff else places & 7
        codes = (words[places >> 3] >> shifts) & masks[:count]
        marks = np.flatnonzero((codes >> 1) == clear >> 1)  # the code of the end is the next one
        if not marks.size:
            if count == _MOST_CODES:
                return None  # the table is full, and used on
            # libtiff writes the end one bit too short where codes become wider; others write none.
            is_end = int(codes[-1]) >> 1 == clear + 1
            return length + _length(codes[: count - is_end] - clear)
        length += _length(codes[: marks[0]] - clear)
        if codes[marks[0]] == clear + 1:
            return length
        start += int(ends[marks[0]])
    return None


def _widths(value_bits: int, early: int) -> np.ndarray:
    """Return the bits of each code after one that clears the table: each but the first makes an entry."""
    entries = (1 << value_bits) + 2 + np.maximum(np.arange(_MOST_CODES) - 1, 0)
    return np.asarray(np.minimum(np.floor(np.log2(entries + early)) + 1, _WIDEST), np.int32)


def _words(packed: bytes, is_tiff: bool) -> np.ndarray:
    """Return the 24 bits that begin at each byte."""
    padded = np.frombuffer(packed + bytes(2), np.uint8).astype(np.int32)
    first, last = (16, 0) if is_tiff else (0, 16)
    return np.asarray((padded[:-2] << first) | (padded[1:-1] << 8) | (padded[2:] << last))


def _length(codes: np.ndarray) -> int:
    """Add up the lengths of the strings of codes, from 2 upwards of entries: each adds a value to an earlier code."""
    longer = codes >= 2
    before = np.where(longer, codes - 2, np.arange(len(codes)))
    if (before[longer] >= np.flatnonzero(longer)).any():
        raise ValueError("a code that is not yet known")
    added = longer.astype(np.int32)
    while added[before].any():
        added += added[before]
        before = before[before]
    return len(codes) + int(added.sum())
