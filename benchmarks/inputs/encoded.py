"""Pictures in the encodings that programs write, each with the pixels that stand for it."""

import io
import struct
import zlib
from typing import Any, NamedTuple

import cv2
import numpy as np
import tifffile
from PIL import Image

TURNED = 6  # the orientation of a picture that is turned by a quarter (EXIF)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class Encoded(NamedTuple):
    """A file."""

    name: str
    data: bytes
    reference: np.ndarray | None  # uint8, shape (H, W) or (H, W, 3); None: no 8-bit picture stands for it
    suffix: str = ".tif"


def tif(
    *pages: np.ndarray, photometric: str = "rgb", bigtiff: bool = False, byteorder: Any = "<", **keys: Any
) -> bytes:
    """Write a TIFF by tifffile."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff, byteorder=byteorder) as writer:
        for page in pages:
            writer.write(page, photometric=photometric, metadata=None, **keys)
    return file.getvalue()


def retagged(data: bytes, **values: int) -> bytes:
    """Return a TIFF with other values of some tags."""
    file = io.BytesIO(data)
    with tifffile.TiffFile(file) as opened:
        for tag, value in values.items():
            opened.pages.first.tags[tag].overwrite(value)
        return file.getvalue()


def packed(gray: np.ndarray, bits: int, photometric: str = "minisblack") -> bytes:
    """Pack gray values in the given number of bits, which tifffile does not."""
    values = gray.astype(np.uint32) * 257 >> (16 - bits)
    rows = (values[..., None] >> np.arange(bits)[::-1] & 1).astype(np.uint8).reshape(len(gray), -1)
    data = tif(np.packbits(rows, axis=1), photometric=photometric)
    return retagged(data, ImageWidth=gray.shape[1], BitsPerSample=bits)


def pil(image: Image.Image, form: str, **keys: Any) -> bytes:
    """Write a file by Pillow."""
    file = io.BytesIO()
    image.save(file, form, **keys)
    return file.getvalue()


def interlaced(rgb: np.ndarray) -> bytes:
    """Write an interlaced PNG, which none of the three libraries does."""
    rows = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in ADAM7 for row in rgb[y::dy, x::dx])
    header = struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 8, 2, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return data


def encoded_gray(gray: np.ndarray) -> list[Encoded]:
    """Encode gray values, uint8 (H, W)."""
    deep = gray.astype(np.uint16) * 257
    few = (gray >> 6) * 85  # in two bits
    scale = np.arange(256, dtype=np.uint16)
    colours = np.stack([scale, 255 - scale, scale // 2])
    black, white = "minisblack", "miniswhite"
    return [
        Encoded("gray of 1 bit", packed(gray, 1), (gray >> 7) * 255),
        Encoded("gray of 2 bits, white is zero", packed(gray, 2, "miniswhite"), 255 - few),
        Encoded("gray of 4 bits", packed(gray, 4), (gray >> 4) * 17),
        Encoded("gray of 10 bits", packed(gray, 10), gray),
        Encoded("gray of 12 bits", packed(gray, 12), gray),
        Encoded("gray of 14 bits, white is zero", packed(gray, 14, "miniswhite"), 255 - gray),
        Encoded("gray of 8 bits", tif(gray, photometric=black), gray),
        Encoded("gray of 8 bits, white is zero", tif(gray, photometric=white), 255 - gray),
        Encoded("gray of 16 bits", tif(deep, photometric=black), gray),
        Encoded("gray of 16 bits, white is zero", tif(deep, byteorder=">", photometric=white), 255 - gray),
        Encoded("gray, 12 of 16 bits, right", tif(deep >> 4, photometric=black), None),
        Encoded("gray, floating-point", tif((gray / 255).astype(np.float32), photometric=black), None),
        Encoded("gray, signed", tif(gray.view(np.int8), photometric=black), None),
        Encoded("gray palette", tif(gray, photometric="palette", colormap=colours * 257), colours.T[gray]),
    ]


def encoded_tiff(rgb: np.ndarray) -> list[Encoded]:
    """Encode colours, uint8 (H, W, 3), as TIFF; what is cut out has a black outline, so that it lies over black."""
    deep, planes, light = rgb.astype(np.uint16) * 257, np.moveaxis(rgb, -1, 0), 255 - rgb
    inside = np.zeros(rgb.shape[:2], np.uint8)
    middle, radius = (rgb.shape[1] // 2, rgb.shape[0] // 2), min(rgb.shape[:2]) // 2 - 9
    cv2.circle(inside, middle, radius, 255, -1)
    outlined = cv2.circle(255 - rgb, middle, radius, (0, 0, 0), 5)
    over_black = outlined * (inside[..., None] > 0)
    separated = np.dstack([light, np.zeros_like(inside)])
    return [
        Encoded("tiff", tif(rgb), rgb),
        Encoded("tiff strips", tif(rgb, rowsperstrip=7), rgb),
        Encoded("tiff tiles", tif(rgb, tile=(64, 64), compression="zlib"), rgb),
        Encoded("tiff planar", tif(planes, planarconfig="separate"), rgb),
        Encoded("tiff of 16 bits", tif(deep), rgb),
        Encoded("tiff planar of 16 bits", tif(np.moveaxis(deep, -1, 0), planarconfig="separate"), None),
        Encoded("tiff, floating-point", tif((rgb / 255).astype(np.float32)), None),
        Encoded("tiff lzw", pil(Image.fromarray(rgb), "TIFF", compression="tiff_lzw"), rgb),
        Encoded("bigtiff, big-endian, 16 bits", tif(deep, bigtiff=True, byteorder=">"), rgb),
        Encoded("tiff alpha", tif(np.dstack([outlined, inside]), extrasamples=["unassalpha"]), over_black),
        Encoded(
            "tiff alpha, associated", tif(np.dstack([over_black, inside]), extrasamples=["assocalpha"]), over_black
        ),
        Encoded("tiff cmyk", tif(separated, photometric="separated"), rgb),
        Encoded("tiff lab", tif(rgb, photometric="cielab"), None),
        Encoded("tiff pages", tif(rgb, light), rgb),
        Encoded("tiff pyramid", tif(np.ascontiguousarray(rgb[::2, ::2]), rgb), rgb),
        Encoded("tiff turned", tif(np.rot90(rgb), extratags=[(274, 3, 1, TURNED, True)]), rgb),
        Encoded("tiff without suffix", tif(rgb), rgb, ""),
        Encoded("tiff cut short", tif(rgb)[:-999], None),
    ]


def encoded_others(rgb: np.ndarray) -> list[Encoded]:
    """Encode colours, uint8 (H, W, 3), in other formats."""
    image, turned = Image.fromarray(rgb), Image.fromarray(np.rot90(rgb))
    indexed = image.quantize(64)
    few = np.asarray(indexed.convert("RGB"))
    frames: dict[str, Any] = {"save_all": True, "append_images": [Image.fromarray(255 - few)]}
    png = cv2.imencode(".png", rgb[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    jpeg, cmyk = pil(image, "JPEG"), pil(image.convert("CMYK"), "JPEG", quality=100)
    read_jpeg, read_cmyk = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in (jpeg, cmyk))
    exif = Image.Exif()
    exif[274] = TURNED
    return [
        Encoded("png turned", pil(turned, "PNG", exif=exif), rgb, ".png"),
        Encoded("png of 16 bits", png, rgb, ".png"),
        Encoded("png interlaced", interlaced(rgb), rgb, ".png"),
        Encoded("png palette", pil(indexed, "PNG"), few, ".png"),
        Encoded("apng", pil(Image.fromarray(few), "PNG", **frames), few, ".png"),
        Encoded("gif", pil(Image.fromarray(few), "GIF", **frames), few, ".gif"),
        Encoded("bmp", pil(image, "BMP"), rgb, ".bmp"),
        Encoded("webp", pil(image, "WEBP", lossless=True), rgb, ".webp"),
        Encoded("jpeg 2000", pil(image, "JPEG2000"), rgb, ".jp2"),
        Encoded("jpeg, cmyk", cmyk, read_cmyk, ".jpg"),
        Encoded("jpeg named .jfif", jpeg, read_jpeg, ".jfif"),
        Encoded("png named .jpg", png, rgb, ".jpg"),
        Encoded("png cut short", png[: len(png) // 2], None, ".png"),
        Encoded("empty", b"", None, ".png"),
    ]
