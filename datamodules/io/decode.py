"""One way to read an image file: whatever is on disk ends as 8-bit RGB, by a rule that is written down."""

import io
import stat
import warnings
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from karyocyte.common.errors import first_line

SUFFIXES = frozenset({".bmp", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".gif", ".webp", ".jp2"})
# Of images that cannot be read: such a file is named as broken.
UNREAD_SUFFIXES = frozenset(
    (".avif", ".cr2", ".czi", ".dcm", ".dng", ".eps", ".heic", ".heif", ".jxl", ".lif")
    + (".lsm", ".nd2", ".ndpi", ".nef", ".oib", ".psd", ".svg", ".svs", ".vsi", ".xcf")
)

_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"})
# Pillow would also start other programs (Ghostscript for EPS): these formats it decodes itself.
FORMATS = ("BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "TIFF", "WEBP")
MAX_BYTES = 1 << 30  # of a file: the largest image in three 16-bit colours takes 600 MB
MAX_SIDE = 10_000  # pixels, by the header: a small file may unpack to gigabytes, and is padded to a square
_TOO_LARGE = f"too large: scale it to at most {MAX_SIDE:,} pixels a side"
_FOURTEEN_BITS = (1 << 14) - 1

Background = Literal["black", "detect", "border"]

# What these two mutter about a damaged file is said once, by BrokenImageError.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
warnings.filterwarnings("ignore", category=UserWarning, module="PIL.TiffImagePlugin")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # MAX_SIDE is the limit here


class BrokenImageError(ValueError):
    """A file that is no image, is cut short, too large, or holds numbers that have no defined place in 8 bits."""


class Decoded(NamedTuple):
    """A decoded image, uint8 RGB, shape (H, W, 3), and the channels of its file: 1 (gray, palette) to 4."""

    pixels: np.ndarray
    channels: int


def read_image(path: Path, background: Background = "black") -> np.ndarray:
    """Read an image file as uint8 RGB, shape (H, W, 3); rules and arguments are `decode_image`'s.

    Raises:
        BrokenImageError: The file cannot be read or decoded; the message does not repeat the path.
    """
    return decode_image(read_plain_file(Path(path)), background).pixels


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


def decode_image(data: bytes, background: Background = "black") -> Decoded:
    """Decode the bytes of a BMP, PNG, TIFF, JPEG, GIF, WebP or JPEG 2000 file, whatever its name, to 8-bit RGB.

    Gray is replicated to three channels, a palette looked up, CMYK and YCbCr are converted. Gray of 16 bits becomes
    ``value // 257``, whatever values the image uses; colours of 16 bits keep their upper byte. The orientation that a
    camera noted (EXIF; the same tag in TIFF) is applied, in training as in prediction. Of several pages or frames the
    first is read. ICC profiles are not applied. Transparency lies over black, or, with another ``background``, over
    white where the outline is lighter than the inside.

    Raises:
        BrokenImageError: The bytes are no image, are cut short, have a side above MAX_SIDE by their header (nothing is
            decoded then), hold floating-point or 32-bit values, or gray of 16 bits of which 14 or fewer are used and
            whose ``background`` (``prepare.background``) is to be found.
    """
    try:
        with _opened(data) as image:
            image.load()
            return _from_pil(image, background)
    except BrokenImageError:
        raise
    except UnidentifiedImageError as error:
        raise BrokenImageError("not an image that can be decoded: save it as PNG") from error
    except MemoryError as error:
        raise BrokenImageError("too large for the memory") from error
    except Exception as error:  # the decoders raise errors of any kind on damaged bytes
        raise BrokenImageError(first_line(error)) from error


def encode_png(pixels: np.ndarray) -> bytes:
    """Return an image, uint8, shape (H, W) or, as RGB, (H, W, 3), as the bytes of a PNG file.

    ``cv2.imwrite`` would not say that the disk is full.
    """
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]  # OpenCV keeps blue first
    return bytes(cv2.imencode(".png", pixels)[1])


def border(image: np.ndarray) -> np.ndarray:
    """Return the first and last row and column of an image, shape (H, W) or (H, W, 3), one after another."""
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def crop_to_content(image: np.ndarray, threshold: int) -> np.ndarray:
    """Cut an image to the bounding box of the pixels whose gray value exceeds ``threshold`` (0 to 254).

    Gray is 0.299 R + 0.587 G + 0.114 B, rounded (paper 004, section 3.1: gray threshold). An image (uint8 RGB, shape
    (H, W, 3)) without any such pixel stays whole. The result is a view of it.
    """
    return image[bounding_box(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) > threshold)]


def bounding_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns that a mask, bool (H, W), has pixels in; all of them where it has none."""
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
    width, height = image.size
    if max(width, height) > MAX_SIDE:
        raise BrokenImageError(f"{width:,} x {height:,} pixels are {_TOO_LARGE}")
    return image


def _from_pil(image: Image.Image, background: Background) -> Decoded:
    is_deep = image.mode.startswith("I;16")
    if image.mode not in _EIGHT_BIT_MODES and not is_deep:
        raise BrokenImageError(f"pixels of mode {image.mode} are not defined here: save it as 8-bit or 16-bit integers")
    channels = len(image.getbands())
    try:
        if "exif" in image.info:
            Image.Exif().load(image.info["exif"])  # Pillow passes over what it cannot read of a JPEG's
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # as `decode_image` of other parts of a file
        raise BrokenImageError(f"damaged EXIF, which tells the orientation ({first_line(error)}): remove it") from error
    if is_deep:
        return Decoded(_eight_bits(np.asarray(image), background), channels)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        level = 0
        if background != "black":
            level = _level_below(np.array(rgba.convert("RGB")), np.array(rgba.getchannel("A")))
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (level, level, level, 255)), rgba)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return Decoded(np.array(image), channels)


def _eight_bits(values: np.ndarray, background: Background) -> np.ndarray:
    """Map gray of 16 bits (H, W) to 8-bit RGB: images of one cell, or of one set, in the same way."""
    high = int(values.max())
    if background != "black" and 0 < high <= _FOURTEEN_BITS:
        message = f"gray of 16 bits that ends at {high:,} of 65,535, too dark to find its background"
        raise BrokenImageError(f"{message}: stretch all images alike to 16 bits, or save them as 8-bit")
    return np.asarray(cv2.cvtColor((values // 257).astype(np.uint8), cv2.COLOR_GRAY2RGB))


def _level_below(rgb: np.ndarray, alpha: np.ndarray) -> int:
    """Return the gray value that belongs below a cut-out: 255 where its outline is lighter than its inside, else 0."""
    opaque = (alpha > 127).astype(np.uint8)
    inside = cv2.erode(opaque, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    outline = (opaque > 0) & ~inside
    if not outline.any() or not inside.any():
        return 0
    return 255 * int(rgb[outline].mean() > rgb[inside].mean())
