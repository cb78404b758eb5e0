"""One way to read an image file: whatever is on disk ends as 8-bit RGB, by a rule that is written down."""

import io
import stat
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from datamodules.io.jpeg import BrokenImageError as BrokenImageError  # which others have from here
from datamodules.io.jpeg import decode_strictly
from karyocyte.common.errors import first_line
from karyocyte.common.text import counted

SUFFIXES = frozenset({".bmp", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp"})
# Of images that cannot be read: such a file is named as broken.
UNREAD_SUFFIXES = frozenset(
    (".avif", ".cr2", ".czi", ".dcm", ".dng", ".eps", ".gif", ".heic", ".heif", ".jp2", ".jxl", ".lif")
    + (".lsm", ".nd2", ".ndpi", ".nef", ".oib", ".psd", ".svg", ".svs", ".vsi", ".xcf")
)

_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_MODES |= {"I;16", "I;16B", "I;16L", "I;16N"}  # of 16 bits
# Pillow would also start other programs (Ghostscript for EPS): these formats it decodes itself.
FORMATS = ("BMP", "DIB", "JPEG", "PNG", "WEBP")
MAX_BYTES = 1 << 30  # of a file: the largest image in three 16-bit colours takes 600 MB
MAX_SIDE = 10_000  # pixels, by the header: a small file may unpack to gigabytes, and is padded to a square
_TOO_LARGE = f"too large: scale it to at most {MAX_SIDE:,} pixels a side"
_FOURTEEN_BITS = (1 << 14) - 1
PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two: BigTIFF
_SRGB_GAMMA = 1 / 2.2  # of the chunk gAMA, where the picture needs no change
_GAMMA_TOLERANCE = 0.05
NEAR_BLACK = 15  # of 255: what a picture of four bits or fewer in eight reaches
LEAST_OPAQUE = 0.001  # share of the pixels of a cut-out
LEAST_BRIGHT = 0.01  # share of the values of a picture of 16 bits: hot pixels and a scale bar are fewer
DECODE_VERSION = 2  # raise it when an unchanged file would be decoded differently: old caches are then unused

Background = Literal["black", "detect", "border"]

# What these two mutter about a damaged file is said once, by BrokenImageError.
(getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel)(0)  # of OpenCV 4, and of 5: silent
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY  # 64 MiB: microscopes write more than the 1 MiB
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # MAX_SIDE is the limit here


class Decoded(NamedTuple):
    """A decoded image."""

    pixels: np.ndarray  # uint8 RGB, shape (H, W, 3)
    channels: int  # of its file: 1 (gray, palette) to 4
    note: str = ""  # what was chosen among pages, channels or readers, joined by "; "; empty of most files


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
        is_plain = stat.S_ISREG(status.st_mode)  # opening a pipe would wait forever, and a device has no end
        if is_plain and status.st_size <= MAX_BYTES:
            return path.read_bytes()
    except (OSError, ValueError) as error:  # or a path of a table with a null byte
        raise BrokenImageError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if is_plain:
        raise BrokenImageError(f"{status.st_size:,} bytes, more than {MAX_BYTES:,}: {_TOO_LARGE}")
    raise BrokenImageError("a folder that cannot be listed" if stat.S_ISDIR(status.st_mode) else "no plain file")


def read_size(path: Path) -> tuple[tuple[int, int], int]:
    """Return width and height of an image as ``read_image`` gives it, and its orientation as in EXIF, by its header.

    Raises:
        BrokenImageError: The file has no header of an image, or none that can be read.
    """
    try:
        data = read_plain_file(path)
        if data.startswith(TIFF_STARTS):
            from datamodules.io.tiff import read_header

            (width, height), orientation = read_header(data)
            _check_size((width, height))
        else:
            with _opened(data) as image:
                width, height = image.size
                orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # as in `decode_image`
        raise BrokenImageError(first_line(error)) from error
    return ((height, width) if orientation > 4 else (width, height)), orientation


def decode_image(data: bytes, background: Background = "black") -> Decoded:
    """Decode the bytes of a BMP, PNG, TIFF, JPEG or WebP file, whatever its name, to 8-bit RGB.

    Gray is replicated to three channels, a palette looked up, CMYK and YCbCr are converted. Gray of 16 bits becomes
    ``value // 257``; colours of 16 bits keep their upper byte. The orientation that a camera noted (EXIF; the same tag
    in TIFF) is applied, in training as in prediction. Of several frames the first is read, of several pages of a TIFF
    the largest. ICC profiles are not applied. Transparency lies over black, or, with another ``background``, over
    white where the outline is lighter than the inside; one that is the same everywhere is left out.

    tifffile reads TIFF, and Pillow the others; docs/guides/images.md lists what is read and what is refused.

    Raises:
        BrokenImageError: The bytes are no image, are cut short, have a side above MAX_SIDE by their header (nothing is
            decoded then), hold signed, floating-point or 32-bit values, colours that are not converted, or channels
            that are no colours; or the picture is one colour, as good as black, or transparent nearly everywhere.
    """
    try:
        return _decoded_picture(data, background)
    except BrokenImageError:
        raise
    except UnidentifiedImageError as error:
        cause = "not an image that can be decoded, or damaged: save it as PNG" if data else "an empty file"
        if data.lower().startswith((b"<!doctype html", b"<html", b"version https://git-lfs")):
            cause = "a text in place of the picture: download it again (git lfs pull)"
        if data[4:8] == b"ftyp":  # the container of both, and of films
            cause = "HEIC, AVIF or a film, which are not read: save it as PNG"
        raise BrokenImageError(cause) from error
    except MemoryError as error:
        raise BrokenImageError("too large for the memory") from error
    except Exception as error:  # the decoders raise errors of any kind on damaged bytes
        raise BrokenImageError(f"damaged or cut short: the decoder reports {first_line(error)!r}") from error


def decode_array(pixels: np.ndarray) -> Decoded:
    """Return a picture in memory, uint8, shape (H, W) or, as RGB, (H, W, 3), as it would be decoded from a PNG file.

    Raises:
        BrokenImageError: A side is above MAX_SIDE, or the picture is one colour or as good as black.
    """
    height, width = pixels.shape[:2]
    _check_size((width, height))
    channels = 1 if pixels.ndim == 2 else 3
    pixels = np.ascontiguousarray(np.broadcast_to(pixels.reshape(height, width, channels), (height, width, 3)))
    if cause := _why_blank(pixels):
        raise BrokenImageError(cause)
    return Decoded(pixels, channels)


def note_lines(notes: Iterable[str]) -> tuple[str, ...]:
    """Count the notes of images (`Decoded.note`): "3 images: several frames, of which the first was read"."""
    counts = Counter(part for note in notes for part in note.split("; ") if part)
    return tuple(f"{counted(count, 'image')}: {part}" for part, count in counts.items())


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
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return (slice(top, top + height), slice(left, left + width)) if width else (slice(None), slice(None))


def _decoded_picture(data: bytes, background: Background) -> Decoded:
    image, *notes = _by_tifffile(data) if data.startswith(TIFF_STARTS) else _by_pillow(data)
    channels = len(image.getbands())
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        _check_used_bits(values)
        image = Image.fromarray((values // 257).astype(np.uint8))  # images of one cell, or of one set, in the same way
    image, of_alpha = _without_alpha(image, background)
    pixels = np.array(image if image.mode == "RGB" else image.convert("RGB"))
    notes = [note for note in (*notes, of_alpha) if note]
    if cause := _why_blank(pixels):
        raise BrokenImageError("; ".join([cause, *notes]))
    return Decoded(pixels, channels, "; ".join(notes))


def _by_tifffile(data: bytes) -> tuple[Image.Image, str, str]:
    """Read a page of a TIFF file, upright, and say what was chosen and what was left out."""
    from datamodules.io.tiff import colour_count, picture, read_values, select_page

    page, chosen = select_page(data)
    _check_size((page.imagewidth, page.imagelength))
    values = read_values(page, data)
    if page.bitspersample == 16:
        _check_used_bits(values[..., : colour_count(page)])
    image, left_out = picture(page, values)
    _turn(image)
    return image, chosen, left_out


def _by_pillow(data: bytes) -> tuple[Image.Image, str]:
    """Read an image of another format by Pillow, upright, and say whether others are in the file."""
    with _opened(data) as image:
        depth = data[24] if image.format == "PNG" else 8  # of a channel, which Pillow does not tell
        if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
            raise BrokenImageError("CMYK that does not say whether it is inverted (no Adobe marker): save it as RGB")
        several = getattr(image, "n_frames", 1) > 1
        if image.format == "PNG":
            _check_png(image, data)
        if data.startswith(JPEG_START):
            image = _strict_jpeg(image, data)  # noqa: PLW2901 (the file is read)
        image.load()
        if image.mode not in _MODES:
            cause = f"pixels of mode {image.mode} are not defined here"
            raise BrokenImageError(f"{cause}: save it as 8-bit or 16-bit integers")
        if depth > 8 and "transparency" in image.info:
            raise BrokenImageError("a colour of 16 bits is transparent: save it with an alpha channel")
        if depth > 8 and not image.mode.startswith("I;16"):
            _check_used_bits(_all_bits(data))
        _turn(image)
        return image, "several frames, of which the first was read" if several else ""


def _all_bits(data: bytes) -> np.ndarray:
    """Return the values of a PNG in 16-bit colours, (H, W, 3 or 4), of which Pillow keeps eight bits."""
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise BrokenImageError("cut short, or packed in a way that is not read: save it as PNG")
    return np.asarray(values)


def _opened(data: bytes) -> Image.Image:
    """Open an image, of which nothing but the header is decoded, if it is not too large."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:  # Pillow's own limit, of 179 million pixels
        raise BrokenImageError(_TOO_LARGE) from error
    _check_size(image.size)
    return image


def _check_size(size: tuple[int, int]) -> None:
    if max(size) > MAX_SIDE:
        raise BrokenImageError(f"{size[0]:,} x {size[1]:,} pixels are {_TOO_LARGE}")


def _strict_jpeg(image: Image.Image, data: bytes) -> Image.Image:
    """Return a JPEG, whose header is read, by the strict reader, which gives the same pixels as Pillow."""
    pixels = decode_strictly(data, "GRAY" if image.mode == "L" else image.mode)
    if image.mode == "CMYK":  # Adobe's are inverted
        pixels = 255 - pixels
    decoded = Image.frombytes(image.mode, image.size, pixels.tobytes())
    decoded.info = image.info
    return decoded


def _check_png(image: Image.Image, data: bytes) -> None:
    """Check the sums of a PNG, since Pillow reads zeros in place of its data as black, and what its values mean."""
    start = len(PNG_START)
    while start + 12 < len(data) and data[start + 4 : start + 8] != b"IEND":  # Pillow sees that the end is missing
        end = start + 8 + struct.unpack_from(">I", data, start)[0]
        if end + 4 <= len(data) and data[end : end + 4] != struct.pack(">I", zlib.crc32(data[start + 4 : end])):
            raise BrokenImageError("damaged: a wrong checksum")
        start = end + 4
    gamma = image.info.get("gamma", _SRGB_GAMMA)
    if abs(gamma / _SRGB_GAMMA - 1) > _GAMMA_TOLERANCE and not {"srgb", "icc_profile"} & image.info.keys():
        raise BrokenImageError(f"values of gamma {gamma:g} (gAMA), which is not applied: save it as sRGB, without gAMA")


def _turn(image: Image.Image) -> None:
    """Turn an image as its camera noted."""
    try:
        if "exif" in image.info:
            Image.Exif().load(image.info["exif"])  # Pillow passes over what it cannot read of a JPEG's
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # as `decode_image` of other parts of a file
        raise BrokenImageError(f"damaged EXIF, which tells the orientation ({first_line(error)}): remove it") from error


def _check_used_bits(values: np.ndarray) -> None:
    """Refuse values of 16 bits, uint16 (H, W) or (H, W, 3 or 4), of which 14 or fewer are used: they are near black.

    Hot pixels, or a scale bar, may use all 16 of them.
    """
    colours = values[..., :3] if values.ndim == 3 else values
    if values.dtype != np.uint16 or not colours.any():
        return
    dark = colours[colours <= _FOURTEEN_BITS]
    if dark.size > (1 - LEAST_BRIGHT) * colours.size:
        but = "" if dark.size == colours.size else ", but for a few,"
        message = f"values of 16 bits that{but} end at {dark.max():,} of 65,535, so that the picture is dark"
        raise BrokenImageError(f"{message}: stretch all images alike to 16 bits, or save them as 8-bit")


def _without_alpha(image: Image.Image, background: Background) -> tuple[Image.Image, str]:
    """Lay an image with transparency over black or white, and say so."""
    if not image.has_transparency_data:
        return image, ""
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    colours, alpha = rgba.convert("RGB"), np.array(rgba.getchannel("A"))
    if alpha.min() == alpha.max():
        return colours, "" if alpha.max() == 255 else "an alpha channel of one value everywhere was left out"
    if (alpha > 127).mean() < LEAST_OPAQUE:
        raise BrokenImageError("an alpha channel that hides nearly all of it: save it without")
    level = 0
    if background != "black":
        level = _level_below(np.array(colours), alpha)
    ground = Image.new("RGBA", rgba.size, (level, level, level, 255))
    return Image.alpha_composite(ground, rgba), "transparent parts lie over black or white (prepare.background)"


def _why_blank(pixels: np.ndarray) -> str | None:
    """Return why a picture, uint8 (H, W, 3), shows nothing; None where it may show something."""
    middle = pixels[len(pixels) // 2]
    if middle.max() > NEAR_BLACK and (middle != middle[0]).any():  # as of nearly all images: the others take longer
        return None
    flat = pixels.reshape(-1, 3)
    if (flat == flat[0]).all():
        return f"all pixels have one colour, {tuple(flat[0].tolist())}"
    if (high := int(flat.max())) <= NEAR_BLACK:
        return f"black: no value above {high} of 255, as in a mask or with fewer bits than the file says"
    return None


def _level_below(rgb: np.ndarray, alpha: np.ndarray) -> int:
    """Return the gray value that belongs below a cut-out: 255 where its outline is lighter than its inside, else 0."""
    opaque = (alpha > 127).astype(np.uint8)
    inside = cv2.erode(opaque, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    outline = (opaque > 0) & ~inside
    if not outline.any() or not inside.any():
        return 0
    return 255 * int(rgb[outline].mean() > rgb[inside].mean())
