"""JPEG by a reader that says what is damaged: Pillow and OpenCV pass over the warnings of libjpeg, their library."""

import numpy as np
from simplejpeg import decode_jpeg

# How many codes of each length the table has that most programs write (ISO/IEC 10918-1, table K.5).
_USUAL_CODES = b"\x10\x00\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\x00\x00\x01\x7d"
_END = b"\xff\xd9"


class BrokenImageError(ValueError):
    """A file that is no image, is cut short, too large, shows nothing, or holds what has no defined place in 8 bits."""


def decode_strictly(data: bytes, colours: str) -> np.ndarray:
    """Return the pixels of a JPEG as "GRAY", "RGB" or "CMYK", (H, W, 1, 3 or 4).

    Raises:
        ValueError: It is damaged, as the decoder reports, or zeros are in place of its data.
    """
    pixels: np.ndarray = decode_jpeg(data, colours)
    start = data.rfind(_USUAL_CODES)
    # In these codes zeros are blocks of noise alone, which no picture has: the decoder believes a few of them.
    if start >= 0 and bytes(64) in data[start : data.find(_END, start)]:
        raise ValueError("zeros in place of its data")
    return pixels
