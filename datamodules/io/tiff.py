"""The pages of a TIFF file by their tags (TIFF 6.0; BigTIFF): which is read, and what no reader would give right."""

import re
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod

import numpy as np

from datamodules.io.jpeg import BrokenImageError, decode_strictly
from datamodules.io.lzw import unpacked_length

WHITE_IS_ZERO, GRAY, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {WHITE_IS_ZERO: 1, GRAY: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}  # channels of each interpretation
_GRAY_DEPTHS = (1, 2, 4, 8, 10, 12, 14, 16)
_DEPTHS = {WHITE_IS_ZERO: _GRAY_DEPTHS, GRAY: _GRAY_DEPTHS, RGB: (8, 10, 12, 14, 16), PALETTE: (1, 2, 4, 8)}
_OTHER_COLOURS = {4: "mask", 8: "Lab", 9: "Lab", 10: "Lab", 32803: "raw camera", 34892: "raw camera"}
_TAGS = {254, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339,
         347, 530, 32997}  # fmt: skip
_XMP = 700  # a text, which may say how to turn the picture
_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 16: "Q"}  # of integers, text and bytes
_THUMBNAIL, _MASK = 1, 4  # bits of the tag SubfileType
_NONE, _LZW, _OLD_JPEG, _JPEG, _DEFLATE, _PACKBITS = 1, 5, 6, 7, (8, 32946), 32773  # of the tag Compression
_ADOBE_RGB = b"\xff\xee\0\x0eAdobe\0d\0\0\0\0\0"  # of a JPEG whose colours are no YCbCr
_LARGEST_STRIP = 1 << 30  # bytes: a small one may unpack to more than the memory holds
_MOST_PAGES = 10_000
# ImageJ and OME say in the description that channels are on pages of their own.
_CHANNELS = re.compile(rb'\bchannels=(\d+)|\bSizeC="(\d+)"')
_IMAGES = re.compile(rb"\bimages=(\d+)")  # ImageJ lists no page but the first of a large stack
SAVE = "save it as 8-bit or 16-bit integers"


@dataclass(frozen=True)
class TiffPage:
    """A page: the values of its tags, by number, and where its directory begins in the file."""

    tags: dict[int, tuple[int, ...]]
    start: int

    def tag(self, number: int, default: int = 0) -> int:
        """Return the first value of a tag."""
        return (self.tags.get(number) or (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.tag(256), self.tag(257)

    @property
    def depth(self) -> int:
        """Bits per channel."""
        return self.tag(258, 1)

    @property
    def compression(self) -> int:
        """How its strips are packed."""
        return self.tag(259, _NONE)

    @property
    def colours(self) -> int:
        """The photometric interpretation."""
        return self.tag(262, GRAY)

    @property
    def channels(self) -> int:
        """The number of channels, those that are no colours among them."""
        return self.tag(277, 1)

    @property
    def extra(self) -> int:
        """The number of channels beyond the colours."""
        return self.channels - _COLOURS.get(self.colours, 0)

    @property
    def is_planar(self) -> bool:
        """Whether the channels lie one after another."""
        return self.channels > 1 and self.tag(284, 1) == 2

    @cached_property
    def is_for_opencv(self) -> bool:
        """Whether Pillow reads it in a wrong way, which OpenCV does not."""
        eight_bit_palette = self.colours == PALETTE and max(self.tags.get(320, (256,))) < 256
        subsampled = self.colours == YCBCR and self.compression == _NONE and self.tags.get(530, (2, 2)) != (1, 1)
        return self.depth in (10, 12, 14) or eight_bit_palette or subsampled

    @cached_property
    def strips(self) -> tuple[int, ...]:
        """Where the strips or tiles begin in the file."""
        return self.tags.get(324) or self.tags.get(273, ())

    @cached_property
    def needed_strips(self) -> int:
        """The number of strips or tiles that hold the picture."""
        width, height = self.size
        across, down = self.tag(322, width), self.tag(323, self.tag(278) or height)
        planes = self.channels if self.is_planar else 1
        return ceil(width / max(across, 1)) * ceil(height / max(down, 1)) * planes

    @property
    def note(self) -> str:
        """What readers leave out; empty of most files."""
        alphas = [kind for kind in self.tags.get(338, (2,) * self.extra) if kind in (1, 2)]
        return "channels beyond the colours were left out" if self.extra > len(alphas) else ""


def select_page(data: bytes) -> tuple[TiffPage, str]:
    """Return the page of a TIFF file that is read, and what is said of this choice ("" of a single page).

    It is the largest, of pages of one size the first; thumbnails and masks, as marked, are left out.

    Raises:
        BrokenImageError: There is none, the file is damaged, or its pages are channels of one picture.
    """
    try:
        pages = _pages(data)
    except struct.error as error:
        raise BrokenImageError("cut short, or damaged: its tags lie beyond the end of the file") from error
    pictures = [page for page in pages if not page.tag(254) & (_THUMBNAIL | _MASK)]
    if not pictures:
        raise BrokenImageError("only a thumbnail is on its pages, as in raw files of cameras: save it as RGB")
    page = max(pictures, key=lambda one: prod(one.size))  # the first of several
    description = bytes(pages[0].tags.get(270, ()))
    named = _CHANNELS.search(description)
    if page.channels == 1 and named and int(named[1] or named[2]) > 1:
        raise BrokenImageError(
            "the channels of one picture are on pages or in files of their own: save one page in RGB"
        )
    listed = _IMAGES.search(description)
    if len(pages) == 1 and (listed is None or int(listed[1]) == 1):
        return page, ""
    chosen = "the first" if page is pages[0] else "the largest"
    return page, f"several pages, of which {chosen} was read"


def check_page(page: TiffPage, data: bytes) -> None:
    """Refuse a page of a file with a `BrokenImageError` where neither Pillow nor OpenCV gives what it is."""
    if cause := _why_unread(page):
        raise BrokenImageError(cause)
    if page.tag(32997, 1) > 1:
        raise BrokenImageError("a volume, not a picture: save one of its planes")
    if page.is_for_opencv and page.extra:
        raise BrokenImageError("channels beyond the colours, in a way that is not read: save it without them")
    if page.compression == _OLD_JPEG:  # it has a table of its own in place of strips
        return
    _check_strips(page, data)


def _check_strips(page: TiffPage, data: bytes) -> None:
    """Refuse strips that are missing or damaged, as far as neither Pillow nor OpenCV would say it."""
    if len(page.strips) != page.needed_strips or not all(0 < start < len(data) for start in page.strips):
        raise BrokenImageError("cut short: a strip is missing, one too many, or lies beyond the end of the file")
    for strip in _packed_strips(page, data):
        if page.compression in (_LZW, _PACKBITS):
            _check_end(page, strip)
        elif not _is_plain(page):
            _unpacked(page, strip)


def _check_end(page: TiffPage, strip: bytes) -> None:
    """Refuse a strip or tile that does not end where its part of the picture does."""
    width, height = page.size
    is_old = strip[:1] == b"\0"  # with the bits of a code in another order, as before 1992
    if page.tag(266, 1) != 1 or page.colours == YCBCR or (is_old and page.compression == _LZW):
        return
    across, down = page.tag(322, width), page.tag(323, min(page.tag(278) or height, height))
    row = ceil(across * (1 if page.is_planar else page.channels) * page.depth / 8)
    last = height % down or down  # rows of the last strip, which some programs fill up
    length = _packbits_length(strip) if page.compression == _PACKBITS else unpacked_length(strip, 8, is_tiff=True)
    if length not in (None, row * down, row * last):
        raise BrokenImageError("damaged: a strip does not end where its part of the picture does")


def _packbits_length(strip: bytes) -> int:
    length = at = 0
    while at < len(strip) - 1:  # one byte alone fills up to an even number
        code = strip[at]
        is_copy = code < 128  # of the bytes that follow; otherwise the next one is repeated
        length += code + 1 if is_copy else 257 - code if code > 128 else 0
        at += code + 2 if is_copy else 2 if code > 128 else 1
    return length


def _packed_strips(page: TiffPage, data: bytes) -> list[bytes]:
    lengths = page.tags.get(325) or page.tags.get(279, ())
    return [data[start : start + length] for start, length in zip(page.strips, lengths, strict=False)]


def _unpacked(page: TiffPage, strip: bytes) -> bytes:
    """Unpack a strip by a reader that raises an error where it is damaged, as Pillow and OpenCV do not."""
    if page.compression == _JPEG:
        colours = {1: "GRAY", 4: "CMYK"}.get(1 if page.is_planar else page.channels, "RGB")
        kind = _ADOBE_RGB if page.colours == RGB else b""
        tables = bytes(page.tags.get(347, ()))[2:-2]
        return decode_strictly(strip[:2] + kind + tables + strip[2:], colours).tobytes()
    if page.compression not in _DEFLATE:
        return strip
    stream = zlib.decompressobj()
    values = stream.decompress(strip, _LARGEST_STRIP)
    if not stream.eof:  # else its checksum was compared
        raise zlib.error("a strip is cut short")
    return values


def _is_plain(page: TiffPage) -> bool:
    """Whether `_unpacked` strips, one after another, are its values as they are meant."""
    in_order = not page.is_planar and page.tag(274, 1) == page.tag(266, 1) == 1  # of channels, rows and bits
    in_strips = 279 in page.tags and 324 not in page.tags and _XMP not in page.tags
    # A JPEG in YCbCr becomes RGB.
    kinds = ((8, GRAY), (8, RGB), (8, YCBCR) if page.compression == _JPEG else (16, GRAY))
    is_known = page.compression in (_NONE, _JPEG, *_DEFLATE) and (page.depth, page.colours) in kinds
    return is_known and page.extra == 0 and in_order and in_strips


def plain_values(page: TiffPage, data: bytes) -> np.ndarray | None:
    """Return the values of a page that lie in the file row after row; None of other pages.

    Most programs write them so. No second reader then has to read the tags, which of small images takes longest.

    Returns:
        Gray, uint8 or uint16, (H, W), or RGB, uint8, (H, W, 3).
    """
    if not _is_plain(page):
        return None
    width, height = page.size
    content = b"".join(_unpacked(page, strip) for strip in _packed_strips(page, data))
    if len(content) != width * height * page.channels * page.depth // 8:
        return None
    values = np.frombuffer(content, f"{_order(data)}u{page.depth // 8}").reshape(height, width, page.channels)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if page.compression in _DEFLATE and page.tag(317, 1) == 2:  # each value is the difference from the one before it
        values = np.cumsum(values, axis=1, dtype=values.dtype)
    return values[..., 0] if page.channels == 1 else values


def beginning_with(page: TiffPage, data: bytes) -> bytes:
    """Return a TIFF file whose first page is another one: readers take the first."""
    if data[2:4] in (b"+\0", b"\0+"):
        return data[:8] + struct.pack(_order(data) + "Q", page.start) + data[16:]
    return data[:4] + struct.pack(_order(data) + "I", page.start) + data[8:]


def _order(data: bytes) -> str:
    return "<" if data[:1] == b"I" else ">"


def _pages(data: bytes) -> list[TiffPage]:
    big = data[2:4] in (b"+\0", b"\0+")
    link, at = ("Q", 8) if big else ("I", 4)
    (start,) = struct.unpack_from(_order(data) + link, data, at)
    pages: dict[int, TiffPage] = {}
    while start and start not in pages and len(pages) < _MOST_PAGES:  # damaged files lead in a circle
        tags, end = _directory(data, start, big)
        pages[start] = TiffPage(tags, start)
        (start,) = struct.unpack_from(_order(data) + link, data, end)
    return list(pages.values())


def _directory(data: bytes, start: int, big: bool) -> tuple[dict[int, tuple[int, ...]], int]:
    """Return the tags of a directory that are used here, and where it ends."""
    order = _order(data)
    counter, entry, room = ("Q", "HHQQ", 8) if big else ("H", "HHII", 4)
    (entries,) = struct.unpack_from(order + counter, data, start)
    place = start + struct.calcsize(order + counter)
    length = struct.calcsize(order + entry)
    end = place + entries * length
    tags: dict[int, tuple[int, ...]] = {}
    for number, kind, count, pointer in struct.iter_unpack(order + entry, data[place:end]):
        place += length
        if number == _XMP:
            tags[number] = ()
        elif number in _TAGS and number not in tags and kind in _TYPES:  # some programs write a tag twice
            layout = f"{order}{count}{_TYPES[kind]}"
            # Values that fit into the room of the pointer are there in its place.
            fits = struct.calcsize(layout) <= room
            tags[number] = struct.unpack_from(layout, data, place - room if fits else pointer)
    return tags, end


def _why_unread(page: TiffPage) -> str | None:
    """Return what of a page neither Pillow nor OpenCV gives as it is; None where one of them does."""
    if page.colours not in _COLOURS or page.extra < 0:
        name = _OTHER_COLOURS.get(page.colours, f"unknown ({page.colours})")
        return f"{page.channels} channels, colours of kind {name}: save it as RGB or gray"
    # 4: undefined, which programs write of unsigned integers, too.
    if page.tag(339, 1) not in (1, 4):
        return f"signed or floating-point values are not defined here: {SAVE}"
    depths = set(page.tags.get(258, (1,))[: page.channels])
    if len(depths) > 1 or page.depth not in _DEPTHS.get(page.colours, (8,)):
        return f"{' and '.join(map(str, sorted(depths)))} bits per channel are not defined here: {SAVE}"
    if page.depth > 8 and page.is_planar:
        return "channels of more than 8 bits that lie one after another (planar): save it interleaved (chunky)"
    if page.extra > 1 and page.colours in (WHITE_IS_ZERO, GRAY):
        return f"{page.channels} channels without colours: save one of them, or RGB"
    return None
