"""TIFF files by tifffile: which page is read, and its values, of which every strip must be whole."""

import io
import logging
import re
from collections.abc import Callable
from itertools import islice
from math import ceil, prod
from typing import Any

import numpy as np
from imagecodecs import lzw_decode, packbits_decode, zlib_decode, zstd_decode
from PIL import Image
from tifffile import TiffFile, TiffPage

from datamodules.io.jpeg import BrokenImageError, decode_strictly

WHITE_IS_ZERO, GRAY, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
_MODES = {WHITE_IS_ZERO: "L", GRAY: "L", RGB: "RGB", PALETTE: "P", CMYK: "CMYK", YCBCR: "YCbCr"}  # Pillow's
_GRAY_DEPTHS = (1, 2, 4, 8, 10, 12, 14, 16)
_DEPTHS = {WHITE_IS_ZERO: _GRAY_DEPTHS, GRAY: _GRAY_DEPTHS, RGB: (8, 10, 12, 14, 16), PALETTE: (1, 2, 4, 8)}
_NONE, _LZW, _JPEG, _PACKBITS = 1, 5, 7, 32773  # of the tag Compression
_UNPACK = {
    _LZW: lzw_decode, 8: zlib_decode, 32946: zlib_decode, _PACKBITS: packbits_decode, 50000: zstd_decode
}  # fmt: skip
_ADOBE_RGB = b"\xff\xee\0\x0eAdobe\0d\0\0\0\0\0"  # of a JPEG whose colours are no YCbCr
_ALPHA = {1: "a", 2: "A"}  # of the tag ExtraSamples, and what Pillow calls it: multiplied with the colours, or not
_ORIENTATION, _XMP = 274, 700  # tags
_MOST_PAGES = 10_000  # damaged files lead in a circle
# ImageJ and OME say in the description that channels are on pages of their own.
_CHANNELS = re.compile(r'\b(?:channels=|SizeC=")(\d+)')
_IMAGES = re.compile(r"\bimages=(\d+)")  # ImageJ lists no page but the first of a large stack
_NO_END = "damaged or cut short: a strip does not end where its part of the picture does"
_SAVE = "save it as 8-bit or 16-bit integers"

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # a BrokenImageError says what it mutters


def select_page(data: bytes) -> tuple[TiffPage, str]:
    """Return the page of a TIFF file that is read, and what is said of this choice ("" of a single page).

    It is the largest, of pages of one size the first; thumbnails and masks, as marked, are left out.

    Raises:
        BrokenImageError: There is none, the file is damaged, or its pages are channels of one picture.
    """
    pages = _pages(data)
    pictures = [page for page in pages if not page.is_reduced and not page.is_mask]
    if not pictures:
        raise BrokenImageError("only a thumbnail is on its pages, as in raw files of cameras: save it as RGB")
    page = max(pictures, key=lambda one: one.imagewidth * one.imagelength)  # the first of several
    description = pages[0].description
    if page.samplesperpixel == 1 and _number(_CHANNELS, description) > 1:
        raise BrokenImageError(
            "the channels of one picture are on pages or in files of their own: save one page in RGB"
        )
    if len(pages) == 1 and _number(_IMAGES, description) == 1:
        return page, ""
    chosen = "the first" if page is pages[0] else "the largest"
    return page, f"several pages, of which {chosen} was read"


def _number(pattern: re.Pattern[str], description: str) -> int:
    found = pattern.search(description)
    return int(found[1]) if found else 1


def _pages(data: bytes) -> list[TiffPage]:
    file = TiffFile(io.BytesIO(data))
    pages = [page for page in islice(file.pages, _MOST_PAGES) if isinstance(page, TiffPage)]
    if len(pages) < _MOST_PAGES:
        end, length = file.pages.next_page_offset or 0, file.tiff.offsetsize
        if data[end : end + length] != bytes(length):  # tifffile passes over a page that is cut off
            raise BrokenImageError("cut short, or damaged: its tags lie beyond the end of the file")
    return pages


def _check_page(page: TiffPage) -> None:
    """Refuse a page whose values have no defined place in 8 bits of a colour, or which is packed in a rare way."""
    is_packed_unsaid = 259 not in page.tags and sum(page.databytecounts) != page.nbytes
    if is_packed_unsaid or 262 not in page.tags or page.planarconfig not in (1, 2):
        raise BrokenImageError("damaged: a tag is missing that says how it is packed, or what its values are")
    if cause := _why_no_colours(page):
        raise BrokenImageError(cause)
    if not _is_packed_as_usual(page):
        kind = f"compression {page.compression:d}, predictor {page.predictor:d}"
        raise BrokenImageError(f"packed in a way that is not read ({kind}): save it as PNG")


def _why_no_colours(page: TiffPage) -> str | None:
    kind, channels, depth = page.photometric, page.samplesperpixel, page.bitspersample
    if kind not in _MODES or channels < colour_count(page):
        return f"{channels} channels, colours of kind {getattr(kind, 'name', kind)}: save it as RGB or gray"
    # 4: undefined, which programs write of unsigned integers, too.
    if page.sampleformat not in (1, 4):
        return f"signed or floating-point values are not defined here: {_SAVE}"
    if depth not in _DEPTHS.get(kind, (8,)):
        return f"{depth} bits per channel are not defined here: {_SAVE}"
    if channels > 2 and _MODES[kind] == "L":
        return f"{channels} channels without colours: save one of them, or RGB"
    if _has_undefined_channels(page):
        return "channels beyond the colours that are not defined here: save it as RGB"
    return "a volume, not a picture: save one of its planes" if page.imagedepth > 1 else None


def _has_undefined_channels(page: TiffPage) -> bool:
    is_opaque = page.photometric in (CMYK, YCBCR)
    return bool(is_opaque and _alpha(page)) or not {0, *_ALPHA}.issuperset(page.extrasamples)


def _is_packed_as_usual(page: TiffPage) -> bool:
    if page.compression == _JPEG:
        return page.samplesperpixel == colour_count(page) and page.bitspersample == 8
    if page.photometric == YCBCR:
        return page.compression == _NONE and not page.is_subsampled
    if page.compression == _NONE:
        return True
    has_known_differences = page.predictor == 1 or (page.predictor == 2 and page.bitspersample in (8, 16))
    return page.compression in _UNPACK and page.fillorder == 1 and has_known_differences


def colour_count(page: TiffPage) -> int:
    """Return how many of the channels are colours."""
    return Image.getmodebands(_MODES[page.photometric])


def _alpha(page: TiffPage) -> list[tuple[int, str]]:
    """Return the channel that tells what is transparent, if there is one, and what Pillow calls it."""
    count = colour_count(page)
    kinds = page.extrasamples or (2,) * (page.samplesperpixel - count)
    return [(channel, _ALPHA[kind]) for channel, kind in enumerate(kinds, count) if kind in _ALPHA][:1]


def read_values(page: TiffPage, data: bytes) -> np.ndarray:
    """Return the values of a page, unsigned, shape (H, W, channels); those of a JPEG in YCbCr as RGB.

    Raises:
        BrokenImageError: They have no defined place in 8 bits of a colour, or are packed in a rare way; or a strip or
            tile is missing, or does not end where its part of the picture does.
    """
    _check_page(page)
    needed = prod(page.chunked)  # some programs list a strip too many
    lengths = needed if page.compression == _NONE else len(page.databytecounts)
    if min(len(page.dataoffsets), lengths) < needed or min(page.dataoffsets[:needed]) < 1:
        raise BrokenImageError("cut short: a strip is missing")
    unpack = _UNPACK.get(page.compression)
    if unpack:
        page.compression = _NONE  # tifffile would fill up what is too short
    if unpack in (None, packbits_decode):
        page.predictor = 1  # here the tag means nothing
    values = np.empty(page.shaped, page.dtype)
    for index in range(needed):
        _, (plane, _, top, left, _), (_, rows, columns, _) = page.decode(None, index)
        place = values[plane, 0, top : top + rows, left : left + columns]
        part = _decoded_part(page, data, index, unpack)
        place[:] = part[: len(place), : place.shape[1]]  # tiles go beyond the picture
    return values[:, 0].transpose(1, 2, 0, 3).reshape(*page.shaped[2:4], page.samplesperpixel)


def _decoded_part(page: TiffPage, data: bytes, index: int, unpack: Callable[..., Any] | None) -> np.ndarray:
    """Decode a strip or tile, which must end where its part of the picture does."""
    _, rows, columns, channels = page.decode(None, index)[2]
    full_rows = max(rows, page.rowsperstrip)  # some programs fill up the last strip
    start = page.dataoffsets[index]
    if page.compression == _JPEG:
        part = _decoded_jpeg(page, data[start : start + page.databytecounts[index]], channels)
        if part.shape[:2] not in ((rows, columns), (full_rows, columns)):
            raise BrokenImageError(_NO_END)
        return part
    row = ceil(columns * channels * page.bitspersample / 8)
    lengths = (row * rows, row * full_rows)
    if unpack:
        packed = data[start : start + page.databytecounts[index]]
        strip = unpack(packed, out=lengths[1] + 1)
        if unpack is lzw_decode and len(strip) > lengths[0] and len(strip) != lengths[1]:
            # Where codes become wider, old programs write the code of the end a bit too short: it reads as another one.
            strip = unpack(packed[:-1], out=lengths[1] + 1)
    else:
        strip = data[start : start + lengths[0]]  # programs write wrong lengths
    if len(strip) not in lengths:
        raise BrokenImageError(_NO_END)
    values: np.ndarray = np.asarray(page.decode(strip, index)[0])[0]
    return values


def _decoded_jpeg(page: TiffPage, strip: bytes, channels: int) -> np.ndarray:
    kind = _ADOBE_RGB if page.photometric == RGB else b""
    tables = (page.jpegtables or b"")[2:-2]
    return decode_strictly(strip[:2] + kind + tables + strip[2:], {1: "GRAY", 3: "RGB", 4: "CMYK"}[channels])


def picture(page: TiffPage, values: np.ndarray) -> tuple[Image.Image, str]:
    """Return the values of a page as a picture of 8 bits per channel, not yet turned, and what was left out."""
    kind, count, alpha = page.photometric, colour_count(page), _alpha(page)
    channels = [*range(count), *(channel for channel, _ in alpha)]
    values = _to_eight_bits(values[..., channels], kind, page.bitspersample)
    mode = "RGB" if kind == YCBCR and page.compression == _JPEG and page.shaped[0] == 1 else _MODES[kind]
    mode += "".join(name for _, name in alpha)
    image = Image.frombytes(mode, (page.imagewidth, page.imagelength), values.tobytes())
    if kind == PALETTE:
        table = np.asarray(page.colormap)
        table = table if table.max() < 256 else table >> 8  # some programs write 8 bits
        image.putpalette(table.astype(np.uint8).T.tobytes())
    _tell_orientation(image, page)
    return image, "channels beyond the colours were left out" if len(channels) < page.samplesperpixel else ""


def _to_eight_bits(values: np.ndarray, kind: int, depth: int) -> np.ndarray:
    values = values << (16 - depth) if depth > 8 else values.astype(np.uint8)
    if depth < 8 and kind != PALETTE:
        values *= 255 // (2**depth - 1)
    if kind == WHITE_IS_ZERO:
        values[..., 0] = ~values[..., 0]
    if depth > 8:
        values = values >> 8 if kind == RGB else values // 257
    return values.astype(np.uint8)


def read_header(data: bytes) -> tuple[tuple[int, int], int]:
    """Return width and height of the page that is read, and its orientation as in EXIF."""
    page, _ = select_page(data)
    image = Image.new("L", (1, 1))
    _tell_orientation(image, page)
    return (page.imagewidth, page.imagelength), image.getexif().get(_ORIENTATION, 1)


def _tell_orientation(image: Image.Image, page: TiffPage) -> None:
    """Tell Pillow how a picture is to be turned, by a tag or a text of its page."""
    if _XMP in page.tags:
        image.info["xmp"] = page.tags[_XMP].value
    if _ORIENTATION in page.tags:
        image.getexif()[_ORIENTATION] = int(page.tags[_ORIENTATION].value)
