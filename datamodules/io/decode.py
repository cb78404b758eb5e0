"""One way to read an image file: whatever is on disk ends as 8-bit RGB, by a rule that is written down."""

import io
import stat
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset({".bmp", ".png", ".tif", ".tiff", ".jpg", ".jpeg"})

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_TIFF_MAGIC = (b"II*\x00", b"MM\x00*")
_BMP_HEADERS = (40, 108, 124)  # bytes of the header of Windows 3, 95 and 98
_BMP_LEAST = 54  # bytes of a BMP file with the shortest of these
_HEAD = 32  # bytes that tell the format, and the bit depth of PNG
_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"})
# Pillow would also start other programs (Ghostscript for EPS): these formats it decodes itself.
FORMATS = ("BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "TIFF", "WEBP")
MAX_BYTES = 1 << 30  # of a file: the largest image in three 16-bit colours takes 600 MB
MAX_SIDE = 10_000  # pixels, by the header: a small file may unpack to gigabytes, and is padded to a square
_TOO_LARGE = f"too large: scale it to at most {MAX_SIDE:,} pixels a side"
_WIDTH, _HEIGHT, _BITS_PER_SAMPLE, _SAMPLE_FORMAT = 256, 257, 258, 339  # TIFF tags
_FLOATS = 3  # value of _SAMPLE_FORMAT
_TIFF_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}  # by the number of the type
_ORIENTATION = 274  # EXIF tag
_UPRIGHT = {  # by the value of _ORIENTATION
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image[::-1].swapaxes(0, 1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image[:, ::-1].swapaxes(0, 1),
}
_FULL_RANGES = (1, 255, 1023, 4095, 16383, 65535)  # what cameras and programs write: floats, 8, 10, 12, 14, 16 bits

Background = Literal["black", "detect", "border"]

# What these two mutter about a damaged file is said once, by BrokenImageError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
warnings.filterwarnings("ignore", category=UserWarning, module="PIL.TiffImagePlugin")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # MAX_SIDE is the limit here


class BrokenImageError(ValueError):
    """A file that is no image, is cut short, too large, or holds numbers that have no defined place in 8 bits."""


class Decoded(NamedTuple):
    """A decoded image.

    Attributes:
        pixels: uint8 RGB, shape (H, W, 3).
        channels: Of its file: 1 (gray, palette), 2 (with alpha), 3 or 4.
        by_settings: Whether another ``background`` or ``full_range`` may give other pixels: where the file has more
            than 8 bits or transparency.
    """

    pixels: np.ndarray
    channels: int
    by_settings: bool


def read_image(path: Path, background: Background = "black", full_range: int | None = None) -> np.ndarray:
    """Read a BMP, PNG, TIFF or JPEG file as uint8 RGB, shape (H, W, 3); rules and arguments are `decode_image`'s.

    Raises:
        BrokenImageError: The file cannot be read or decoded; the message does not repeat the path.
    """
    return decode_image(read_plain_file(Path(path)), background, full_range).pixels


def read_plain_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        BrokenImageError: It cannot be read, is no plain file, or larger than MAX_BYTES; the message does not repeat the
            path.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise BrokenImageError("a folder that cannot be listed")
        # Opening a pipe with the name of an image would wait forever, and a device has no end.
        if not stat.S_ISREG(status.st_mode):
            raise BrokenImageError("no plain file")
        if status.st_size > MAX_BYTES:
            raise BrokenImageError(f"{status.st_size:,} bytes, more than {MAX_BYTES:,}: {_TOO_LARGE}")
        return path.read_bytes()
    except OSError as error:
        raise BrokenImageError(f"cannot be read ({error.strerror})") from error
    except BrokenImageError:
        raise
    except ValueError as error:  # a path of a table with a null byte
        raise BrokenImageError(f"cannot be read ({error})") from error


def decode_image(data: bytes, background: Background = "black", full_range: int | None = None) -> Decoded:
    """Decode the bytes of a BMP, PNG, TIFF or JPEG file, whatever its name, to 8-bit RGB; also GIF, WebP, JPEG 2000.

    Gray is replicated to three channels and 1-bit becomes 0 or 255. A palette is looked up. CMYK and YCbCr are
    converted. The orientation that a camera noted (EXIF; the same tag in TIFF) is applied, in training as in
    prediction. Of several pages or frames the first is read. ICC profiles are not applied.

    =============  ======================================  =============================================
    background     black                                   detect, border
    =============  ======================================  =============================================
    transparency   over black, as around segmented cells   over white where the outline is lighter than
                                                           the inside, else over black
    16-bit values  ``value // 257``: the full range,       the least of 8, 10, 12, 14 and 16 bits that
                   whatever values the image uses          holds all values is mapped to 0-255
    =============  ======================================  =============================================

    Floating-point and 32-bit values in TIFF are mapped from the least of 0-1 and these ranges that holds them. Images
    that were made together, such as the chromosomes of a cell, need one range for all: ``full_range``.

    Args:
        data: The bytes of the file.
        background: The key ``prepare.background``.
        full_range: The largest of the ranges (`least_range`) of the images that were made with this one, which is used
            instead of its own where that is smaller; of no matter for 8 bits, and where 16 bits lie over black.

    Raises:
        BrokenImageError: The bytes are no image, are cut short, have a side above MAX_SIDE by their header (nothing is
            decoded then), or hold floating-point or 32-bit values that are negative, not
            finite or above 65535.
    """
    try:
        if _has_deep_pixels(data):
            return _decode_deep(data, background, full_range)
        pixels = _plain_bmp(data)
        if pixels is not None:
            return Decoded(pixels, 3, by_settings=False)
        with _opened(data) as image:
            image.load()
            return _from_pil(image, background)
    except BrokenImageError:
        raise
    except UnidentifiedImageError as error:
        raise BrokenImageError("not an image that can be decoded") from error
    except MemoryError as error:
        raise BrokenImageError("too large for the memory") from error
    except Exception as error:  # the decoders raise errors of any kind on damaged bytes
        raise BrokenImageError(first_line(error)) from error


def least_range(data: bytes) -> int | None:
    """Return the full range that the values of a file of more than 8 bits are mapped from by ``background=detect``.

    Returns:
        1, 255, 1023, 4095, 16383 or 65535; None of 8-bit files, and of those that cannot be decoded.
    """
    if not _has_deep_pixels(data):
        return None
    try:
        pixels = _deep_pixels(data)
        if pixels.shape[2] in (2, 4):
            pixels = pixels[..., :-1]  # without alpha
        return _range_of(pixels)
    except Exception:  # `decode_image` says what is wrong
        return None


def least_range_of_file(path: Path) -> int | None:
    """Return the `least_range` of a file; None where it cannot be read, too."""
    try:
        if not path.is_file():  # opening a pipe with the name of an image would wait forever
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if not head.startswith(_TIFF_MAGIC) and not _has_deep_pixels(head):
            return None
        return least_range(read_plain_file(path))
    except (OSError, BrokenImageError):
        return None


def common_range(ranges: Iterable[int | None]) -> int | None:
    """Return the largest of the ranges of some files; None where all have 8 bits."""
    return max((full for full in ranges if full is not None), default=None)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message; its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def border(image: np.ndarray) -> np.ndarray:
    """Return the first and last row and column of an image, shape (H, W) or (H, W, 3), one after another."""
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def crop_to_content(image: np.ndarray, threshold: int) -> np.ndarray:
    """Cut an image to the bounding box of the pixels whose gray value exceeds ``threshold`` (0 to 254).

    Gray is 0.299 R + 0.587 G + 0.114 B, rounded (paper 004, section 3.1: gray threshold). An image (uint8 RGB, shape
    (H, W, 3)) without any such pixel stays whole. The result is a view of it.
    """
    return image[content(image, threshold)]


def content(image: np.ndarray, threshold: int) -> tuple[slice, slice]:
    """Return the rows and columns of an image (H, W, 3) that ``crop_to_content`` keeps."""
    mask = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) > threshold
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return slice(None), slice(None)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _opened(data: bytes) -> Image.Image:
    """Open an image, of which nothing but the header is decoded, if it is not too large."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:  # Pillow's own limit, of 179 million pixels
        raise BrokenImageError(_TOO_LARGE) from error
    _check_size(*image.size)
    return image


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise BrokenImageError(f"{width:,} x {height:,} pixels are {_TOO_LARGE}")


def _plain_bmp(data: bytes) -> np.ndarray | None:
    """Return the pixels of a whole uncompressed BMP file of 24 bits; None of any other, which is Pillow's work.

    Pillow gives the same pixels, but takes much longer.
    """
    if not data.startswith(b"BM") or len(data) < _BMP_LEAST:
        return None
    start, header, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
    stride = -(-3 * width // 4) * 4  # of a row, which is filled up to four bytes
    is_plain = header in _BMP_HEADERS and bits == 24 and compression == 0 and start >= 14 + header
    is_whole = 0 < width <= MAX_SIDE and 0 < abs(height) <= MAX_SIDE and len(data) >= start + stride * abs(height)
    if not (is_plain and is_whole):
        return None
    rows = np.frombuffer(data, np.uint8, stride * abs(height), start).reshape(abs(height), stride)
    pixels = rows[:, : 3 * width].reshape(abs(height), width, 3)
    if height > 0:  # the last row is first
        pixels = pixels[::-1]
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_BGR2RGB))


def _from_pil(image: Image.Image, background: Background) -> Decoded:
    if image.mode not in _EIGHT_BIT_MODES:
        raise BrokenImageError(f"pixels of mode {image.mode} are not defined here: save it as 8-bit or 16-bit integers")
    channels = len(image.getbands())
    try:
        if "exif" in image.info:
            Image.Exif().load(image.info["exif"])  # Pillow passes over what it cannot read of a JPEG's
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # as `decode_image` of other parts of a file
        raise BrokenImageError(f"damaged EXIF, which tells the orientation ({first_line(error)}): remove it") from error
    transparent = image.has_transparency_data
    if transparent:
        rgba = image.convert("RGBA")
        level = 0
        if background != "black":
            level = _level_below(np.array(rgba.convert("RGB")), np.array(rgba.getchannel("A")))
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (level, level, level, 255)), rgba)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return Decoded(np.array(image), channels, transparent)


def _level_below(rgb: np.ndarray, alpha: np.ndarray) -> int:
    """Return the gray value that belongs below a cut-out: 255 where its outline is lighter than its inside, else 0.

    Args:
        rgb: uint8, shape (H, W, 3).
        alpha: uint8, shape (H, W).
    """
    opaque = (alpha > 127).astype(np.uint8)
    inside = cv2.erode(opaque, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    outline = (opaque > 0) & ~inside
    if not outline.any() or not inside.any():
        return 0
    return 255 * int(rgb[outline].mean() > rgb[inside].mean())


def _has_deep_pixels(data: bytes) -> bool:
    """Tell whether a file has more than 8 bits per sample: Pillow cuts 16-bit RGB PNG to 8 and refuses such TIFF."""
    if data.startswith(_PNG_MAGIC):
        return len(data) > 24 and data[24] == 16  # the bit depth in the IHDR chunk
    if data.startswith(_TIFF_MAGIC):
        return max(_tiff_values(data, _BITS_PER_SAMPLE), default=8) >= 16
    return False


def _tiff_values(data: bytes, tag: int) -> list[int]:
    """Return the integers of a tag of the first directory, by hand: Pillow opens no file whose layout it does not know.

    Where the tag is there more than once, those of all; none where the file is cut short: the decoder will say so.
    """
    order = {b"II": "<"}.get(data[:2], ">")
    values: list[int] = []
    try:
        (directory,) = struct.unpack_from(order + "I", data, 4)
        (entries,) = struct.unpack_from(order + "H", data, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            number, kind, count, place = struct.unpack_from(order + "HHII", data, entry)
            if number == tag and kind in _TIFF_INTEGERS and 1 <= count <= 8:
                layout = order + _TIFF_INTEGERS[kind] * count
                # Up to four bytes are in the entry itself, more at the place it names.
                values += struct.unpack_from(layout, data, entry + 8 if struct.calcsize(layout) <= 4 else place)
    except struct.error:
        pass
    return values


def _deep_pixels(data: bytes) -> np.ndarray:
    """Return the values of an upright image of more than 8 bits, shape (H, W, channels), blue first."""
    turn = 1
    if data.startswith(_PNG_MAGIC):
        with _opened(data) as image:
            image.load()  # OpenCV fills what is missing of a cut PNG with zeros, silently
            turn = image.getexif().get(_ORIENTATION, 1)  # OpenCV heeds that of TIFF
    else:
        sides = [max(_tiff_values(data, tag), default=0) for tag in (_WIDTH, _HEIGHT)]
        if min(sides) < 1:
            raise BrokenImageError("TIFF whose header names no width and height")
        _check_size(*sides)
        if _FLOATS in _tiff_values(data, _SAMPLE_FORMAT) and 16 in _tiff_values(data, _BITS_PER_SAMPLE):
            raise BrokenImageError("pixels of type float16: save it as 8-bit or 16-bit integers")
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype == np.uint8:
        raise BrokenImageError("image of more than 8 bits that cannot be decoded, or is cut short")
    pixels = np.atleast_3d(pixels)
    upright: np.ndarray = _UPRIGHT.get(turn, np.asarray)(pixels)
    return upright


def _decode_deep(data: bytes, background: Background, full_range: int | None) -> Decoded:
    pixels = _deep_pixels(data)
    channels = pixels.shape[2]
    colours = pixels[..., :1] if channels < 3 else pixels[..., 2::-1]  # OpenCV keeps blue first
    values = _to_sixteen_bits(colours, background, full_range)
    if channels in (2, 4):
        alpha = _to_sixteen_bits(pixels[..., -1:], "black")
        level = 0
        if background != "black":
            rgb = np.repeat(values // 257, 3 // colours.shape[2], axis=2)
            level = 257 * _level_below(rgb, alpha[..., 0] // 257)
        values = (values * alpha + level * (65535 - alpha)) // 65535
    rgb = np.repeat((values // 257).astype(np.uint8), 3 // colours.shape[2], axis=2)
    return Decoded(np.ascontiguousarray(rgb), channels, by_settings=True)


def _to_sixteen_bits(values: np.ndarray, background: Background, full_range: int | None = None) -> np.ndarray:
    """Map values of any type from ``full_range``, or from their own where that is larger, to 0-65535, uint32."""
    if values.dtype == np.uint16 and background == "black":
        return values.astype(np.uint32)
    full = max(_range_of(values), full_range or 0)
    return np.rint(values.astype(np.float64) * (65535 / full)).astype(np.uint32)


def _range_of(values: np.ndarray) -> int:
    """Return the least of _FULL_RANGES that holds all values.

    Raises:
        BrokenImageError: None does.
    """
    high = float(values.max())
    if not (np.isfinite(values).all() and values.min() >= 0 and high <= _FULL_RANGES[-1]):
        raise BrokenImageError(
            f"pixels of type {values.dtype} that are negative, not finite or above 65535: save it as 8-bit or 16-bit "
            "integers"
        )
    ranges = _FULL_RANGES[int(values.dtype.kind in "iu") :]
    return next(limit for limit in ranges if high <= limit)
