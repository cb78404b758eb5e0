"""Pictures as programs write them: the pixels that a reference reader gives, or a refusal that says why."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from datamodules.io.decode import BrokenImageError, decode_image, note_lines, read_size

RAMP = np.add.outer(np.arange(40) * 3, np.arange(36) * 3).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (90, 80, 3), np.uint8)
RGB = np.ascontiguousarray(np.dstack([RAMP, 255 - RAMP, np.roll(RAMP, 9, axis=0)]))
PLANES = np.moveaxis(RGB, -1, 0)
ALPHA = RAMP[::-1].copy()
OVER_BLACK = (RGB * (ALPHA[..., None] / 255)).round().astype(np.uint8)
GRAY_OVER_BLACK = OVER_BLACK[..., 0]  # the first colour is the gray one
XMP = b'<rdf:Description tiff:Orientation="3"/>'
BYTE = np.arange(256, dtype=np.uint16)
COLOUR_MAP = np.stack([BYTE, 255 - BYTE, BYTE // 2])
SRGB_GAMMA = (b"gAMA", struct.pack(">I", 45_455))


def deep(pixels: np.ndarray) -> np.ndarray:
    """Sixteen bits of the same picture."""
    return pixels.astype(np.uint16) * 257


def tif(pixels: np.ndarray, photometric: str = "minisblack", **keys: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric=photometric, **keys)
    return file.getvalue()


def with_last_channel(pixels: np.ndarray, kind: str) -> bytes:
    """A TIFF of gray or of colours whose last channel is of a kind that tifffile names."""
    photometric = "rgb" if pixels.shape[2] == 4 else "minisblack"
    return tif(pixels, photometric, planarconfig="contig", extrasamples=[kind])


def pil(pixels: np.ndarray | Image.Image, form: str, **keys: object) -> bytes:
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(file, form, **keys)
    return file.getvalue()


def png(pixels: np.ndarray, depth: int, kind: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by its rows, of integers below ``2 ** depth``; ``chunks`` come before the pixels."""
    values = pixels.reshape(len(pixels), -1, 1).astype(int)
    bits = (values >> np.arange(depth - 1, -1, -1) & 1).astype(np.uint8).reshape(len(pixels), -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], depth, kind, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        file += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return file


def retagged(data: bytes, number: int, value: int) -> bytes:
    """A little-endian TIFF with another value of a tag that has a single one."""
    changed = io.BytesIO(data)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[0].tags[number]
    changed.seek(tag.valueoffset)
    changed.write(struct.pack({3: "<H", 4: "<I"}[int(tag.dtype)], value))
    return changed.getvalue()


def packed(pixels: np.ndarray, bits: int, photometric: str) -> bytes:
    """Values of few bits, or of 10 to 14, packed as the tags say: tifffile writes none of them without a library."""
    data = tif(pixels, photometric, rowsperstrip=len(pixels))
    values = deep(pixels)[..., None] >> (16 - bits)
    rows = (values >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(len(pixels), -1)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        start = file.pages[0].dataoffsets[0]
    content = np.packbits(rows, axis=1).tobytes()
    data = data[:start] + content
    return retagged(retagged(data, 258, bits), 279, len(content))


def in_reversed_bits(pixels: np.ndarray) -> bytes:
    """Colours whose bytes begin with their last bit (FillOrder), a tag that tifffile does not write."""
    bits = np.unpackbits(pixels[..., None], axis=-1)[..., ::-1]
    data = tif(np.packbits(bits, axis=-1)[..., 0], "rgb", extratags=[(32000, 3, 1, 2, True)])
    return data.replace(struct.pack("<HHI", 32000, 3, 1), struct.pack("<HHI", 266, 3, 1))


def paged(*pages: np.ndarray, subfile: int = 0) -> bytes:
    """A TIFF of several pages; ``subfile`` is what the first is marked as."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for number, page in enumerate(pages):
            kind = subfile if number == 0 else 0
            photometric = "rgb" if page.ndim == 3 else "minisblack"
            writer.write(page, photometric=photometric, metadata=None, subfiletype=kind)
    return file.getvalue()


RIGHT = {
    "gray": (tif(RAMP), RAMP),
    "gray, white is zero": (tif(RAMP, "miniswhite"), 255 - RAMP),
    "gray, a strip too many": (retagged(tif(RAMP, rowsperstrip=20), 257, 20), RAMP[:20]),
    "gray of 16 bits": (tif(deep(RAMP)), RAMP),
    "colours whose predictor means nothing": (  # in place of the unit of the resolution
        tif(RGB, "rgb").replace(struct.pack("<HHIH", 296, 3, 1, 1), struct.pack("<HHIH", 317, 3, 1, 2)),
        RGB,
    ),
    "gray of 16 bits, white is zero": (tif(deep(RAMP), "miniswhite"), 255 - RAMP),
    "gray of 16 bits, white is zero, big-endian": (tif(deep(RAMP), "miniswhite", byteorder=">"), 255 - RAMP),
    "gray of 16 bits, white is zero, deflated": (tif(deep(RAMP), "miniswhite", compression="zlib"), 255 - RAMP),
    "one bit": (tif(RAMP > 99), np.where(RAMP > 99, 255, 0)),
    "one bit, white is zero": (tif(RAMP > 99, "miniswhite"), np.where(RAMP > 99, 0, 255)),
    "four bits": (packed(RAMP, 4, "minisblack"), (RAMP >> 4) * 17),
    "two bits, white is zero": (packed(RAMP, 2, "miniswhite"), 255 - (RAMP >> 6) * 85),
    "ten bits": (packed(RAMP, 10, "minisblack"), RAMP),
    "twelve bits": (packed(RAMP, 12, "minisblack"), RAMP),
    "fourteen bits, white is zero": (packed(RAMP, 14, "miniswhite"), 255 - RAMP),
    "twelve of 16 bits, at the left": (tif(deep(RAMP) & 0xFFF0), RAMP),
    "colours": (tif(RGB, "rgb"), RGB),
    "colours in planes": (tif(PLANES, "rgb", planarconfig="separate", rowsperstrip=7), RGB),
    "colours in deflated planes": (tif(PLANES, "rgb", planarconfig="separate", compression="zlib"), RGB),
    "colours in tiles": (tif(RGB, "rgb", tile=(16, 16)), RGB),
    "colours in planes of tiles": (tif(PLANES, "rgb", planarconfig="separate", tile=(16, 16)), RGB),
    "colours in strips": (tif(RGB, "rgb", rowsperstrip=7), RGB),
    "colours with reversed bits": (in_reversed_bits(RGB), RGB),
    "colours turned by a text": (tif(RGB, "rgb", extratags=[(700, 1, len(XMP), XMP, True)]), np.rot90(RGB, 2)),
    "colours of 16 bits in planes": (tif(deep(PLANES), "rgb", planarconfig="separate"), RGB),
    "colours of 16 bits": (tif(deep(RGB), "rgb"), RGB),
    "colours of 16 bits, big-endian": (tif(deep(RGB), "rgb", byteorder=">", compression="zlib"), RGB),
    "colours of 16 bits in tiles": (tif(deep(RGB), "rgb", tile=(16, 16)), RGB),
    "colours of 16 bits, 12 used, at the left": (tif(deep(RGB) & 0xFFF0, "rgb"), RGB),
    "colours behind a page that is marked as a thumbnail": (paged(RGB, 255 - RGB, subfile=1), 255 - RGB),
    "BigTIFF": (tif(RGB, "rgb", bigtiff=True), RGB),
    "BigTIFF, big-endian": (tif(deep(RGB), "rgb", bigtiff=True, byteorder=">"), RGB),
    "alpha": (with_last_channel(np.dstack([RGB, ALPHA]), "unassalpha"), OVER_BLACK),
    "associated alpha": (with_last_channel(np.dstack([OVER_BLACK, ALPHA]), "assocalpha"), OVER_BLACK),
    "alpha beside gray of 16 bits": (with_last_channel(deep(np.dstack([RAMP, ALPHA])), "unassalpha"), GRAY_OVER_BLACK),
    "alpha of 16 bits": (with_last_channel(deep(np.dstack([RGB, ALPHA])), "unassalpha"), OVER_BLACK),
    "gray with associated alpha": (
        with_last_channel(np.dstack([GRAY_OVER_BLACK, ALPHA]), "assocalpha"), GRAY_OVER_BLACK,
    ),
    "transparent everywhere": (with_last_channel(np.dstack([RGB, np.zeros_like(RAMP)]), "unassalpha"), RGB),
    "half transparent everywhere": (pil(np.dstack([RGB, np.full_like(RAMP, 128)]), "PNG"), RGB),
    "a channel that is no alpha": (with_last_channel(np.dstack([RGB, ALPHA]), "unspecified"), RGB),
    "palette": (tif(RAMP, "palette", colormap=COLOUR_MAP * 257), COLOUR_MAP.T[RAMP]),
    "palette of eight bits": (tif(RAMP, "palette", colormap=COLOUR_MAP), COLOUR_MAP.T[RAMP]),
    "YCbCr": (tif(np.asarray(Image.fromarray(RGB).convert("YCbCr")), "ycbcr"), RGB),
    "CMYK": (tif(np.dstack([255 - RGB, np.zeros_like(RAMP)]), "separated"), RGB),
    "CMYK in JPEG, inverted": (pil(Image.fromarray(RGB).convert("CMYK"), "JPEG", quality=100, subsampling=0), RGB),
    "colours in a BMP": (pil(RGB, "BMP"), RGB),
    "gray in a BMP": (pil(RAMP, "BMP"), RAMP),
    "one bit in a BMP": (pil(Image.fromarray(RAMP > 99), "BMP"), np.where(RAMP > 99, 255, 0)),
    "colours in a PNG": (pil(RGB, "PNG"), RGB),
    "one bit in a PNG": (pil(Image.fromarray(RAMP > 99), "PNG"), np.where(RAMP > 99, 255, 0)),
    "alpha in a PNG": (pil(np.dstack([RGB, ALPHA]), "PNG"), OVER_BLACK),
    "alpha of 16 bits in a PNG": (png(deep(np.dstack([RGB, ALPHA])), 16, 6), OVER_BLACK),
    "alpha beside gray in a PNG": (pil(np.dstack([RAMP, ALPHA]), "PNG"), GRAY_OVER_BLACK),
    "gray of 16 bits in a PNG": (png(deep(RAMP), 16, 0), RAMP),
    "PNG of 16 bits": (png(deep(RGB), 16, 2), RGB),
    "PNG with the gamma of sRGB": (png(RGB, 8, 2, SRGB_GAMMA), RGB),
    "deflated gray of 16 bits with differences": (tif(deep(RAMP), compression="zlib", predictor=True), RAMP),
    "colours in deflated strips with differences": (
        tif(RGB, "rgb", compression="zlib", predictor=True, rowsperstrip=7), RGB,
    ),
    "PNG with a palette of 2 bits": (png(RAMP >> 6, 2, 3, (b"PLTE", bytes(range(0, 240, 20)))),
                                     np.arange(0, 240, 20).reshape(4, 3)[RAMP >> 6]),
    "PNG with a palette that is transparent everywhere": (
        png(RAMP >> 4, 4, 3, (b"PLTE", bytes(range(0, 240, 5))), (b"tRNS", bytes(16))),
        np.arange(0, 240, 5).reshape(16, 3)[RAMP >> 4],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_the_picture_is_that_of_the_reference(name):
    data, wanted = RIGHT[name]
    wanted = np.dstack([wanted] * 3) if wanted.ndim == 2 else wanted
    pixels = decode_image(data).pixels
    assert pixels.shape == wanted.shape
    is_exact = name.startswith(("gray", "colours", "BigTIFF")) and "alpha" not in name
    # Others are rounded, from few bits, from YCbCr, and under alpha.
    assert np.abs(pixels.astype(int) - wanted).max() <= (0 if is_exact else 3)


CHANNELS = {"axes": "CYX"}
REFUSED = {
    "CMYK with alpha": (
        tif(np.dstack([255 - RGB, RAMP, ALPHA]), "separated", extrasamples=["unassalpha"]),
        "channels beyond the colours",
    ),
    "twelve of 16 bits": (tif(deep(RAMP) >> 4), "stretch all images alike"),
    "twelve of 16 bits, white is zero": (tif(deep(RAMP) >> 4, "miniswhite"), "stretch all images alike"),
    "ten of 16 bits in colours": (tif(deep(RGB) >> 6, "rgb"), "stretch all images alike"),
    "ten of 16 bits in a PNG": (png(deep(RGB) >> 6, 16, 2), "stretch all images alike"),
    "ten of 16 bits under alpha": (
        png(np.dstack([deep(RGB) >> 6, np.full_like(deep(RAMP), 65535)]), 16, 6), "stretch all images alike",
    ),
    "two of 8 bits": (png(RAMP >> 6, 8, 0), "black: no value above 3"),
    "floating-point in [0, 1]": (
        tif(RAMP.astype(np.float32) / 255), "floating-point.*save it as 8-bit or 16-bit integers"
    ),
    "half floats": (tif((RAMP / 255).astype(np.float16)), "floating-point"),
    "floating-point colours": (tif((RGB / 255).astype(np.float32), "rgb"), "floating-point"),
    "signed of 8 bits": (tif(RAMP.view(np.int8)), "signed"),
    "signed of 16 bits": (tif(deep(RAMP).view(np.int16)), "signed"),
    "32 bits": (tif(RAMP.astype(np.uint32) << 24), "32 bits per channel"),
    "Lab": (tif(RGB, "cielab"), "CIELAB"),
    "camera's raw values": (tif(RAMP, "cfa"), "CFA"),
    "three channels of no colour": (tif(RGB, planarconfig="contig"), "3 channels without colours"),
    "channels in several files, OME": (tif(RAMP, description='<Pixels SizeC="3"/>'), "channels of one picture"),
    "a volume": (tif(np.stack([RGB] * 4), "rgb", volumetric=True, tile=(4, 16, 16)), "volume"),
    "channels on pages, ImageJ": (tif(PLANES, imagej=True, metadata=CHANNELS), "channels of one picture"),
    "channels on pages, OME": (tif(PLANES, ome=True, metadata=CHANNELS), "channels of one picture"),
    "a thumbnail alone": (paged(RGB, subfile=1), "only a thumbnail"),
    "a blank first page": (paged(np.full_like(RAMP, 255), RAMP), "one colour.*several pages"),
    "one colour": (pil(np.full_like(RGB, 90), "PNG"), "one colour"),
    "alpha that hides nearly all": (
        pil(np.dstack([RGB, np.eye(40, 36, dtype=np.uint8)]), "PNG"), "alpha channel that hides",
    ),
    "16 bits with a transparent value": (png(deep(RAMP), 16, 0, (b"tRNS", b"\1\1")), "a colour of 16 bits"),
    "fewer strips than rows": (retagged(tif(RAMP, rowsperstrip=40), 278, 10), "a strip is missing"),
    "a strip beyond the end": (retagged(tif(RAMP, rowsperstrip=40), 273, 10**6), "cut short"),
    "neither planes nor interleaved": (retagged(tif(RGB, "rgb"), 284, 3), "damaged: a tag"),
    "a second page cut off": (paged(RGB[::4, ::4], RGB)[:-200], "cut short"),
    "a fax": (pil(Image.fromarray(RAMP > 99), "TIFF", compression="group4"), "not read.*save it as PNG"),
    "half of a TIFF": (tif(np.tile(RGB, (9, 9, 1)), "rgb")[:40_000], "cut short"),
    "half of a TIFF of 16 bits": (tif(deep(NOISE), "rgb")[:-9000], "cut short"),
    "half of a BMP": (pil(NOISE, "BMP")[:-9000], "truncated"),
    "half of a PNG of 16 bits": (png(deep(NOISE), 16, 2)[:-9000], "truncated"),
    "a gamma": (png(RGB, 8, 2, (b"gAMA", struct.pack(">I", 100_000))), "gamma 1 "),
    "a wrong sum of a text": (png(RGB, 8, 2, (b"tEXt", b"Title\0blood")).replace(b"blood", b"BLOOD"), "damaged"),
    "GIF": (pil(RGB, "GIF"), "not an image that can be decoded, or damaged: save it as PNG"),
    "JPEG 2000": (pil(RGB, "JPEG2000"), "not an image"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(300), "HEIC, AVIF .*save it as PNG"),
    "empty": (b"", "empty"),
    "text": (b"file,label\n", "not an image"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_reader_gives_right_is_refused_with_its_cause(name):
    data, cause = REFUSED[name]
    with pytest.raises(BrokenImageError, match=cause):
        decode_image(data)


@pytest.mark.parametrize(
    ("pages", "chosen", "note"),
    [
        ([RGB, 255 - RGB], RGB, "the first"),
        ([RGB[::4, ::4], 255 - RGB], 255 - RGB, "the largest"),
        ([RGB, RGB[::2, ::2], RGB[::4, ::4]], RGB, "the first"),
    ],
    ids=["equal", "thumbnail first", "pyramid"],
)
def test_of_several_pages_the_largest_is_read_and_said(tmp_path, pages, chosen, note):
    data = paged(*pages)
    decoded = decode_image(data)
    assert np.array_equal(decoded.pixels, chosen)
    assert decoded.note == f"several pages, of which {note} was read"
    (tmp_path / "a.jpg").write_bytes(data)  # the suffix says nothing
    assert read_size(tmp_path / "a.jpg")[0] == chosen.shape[1::-1]


@pytest.mark.parametrize(("form", "keys"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_of_several_frames_the_first_is_read_and_said(form, keys):
    decoded = decode_image(pil(RGB, form, save_all=True, append_images=[Image.fromarray(255 - RGB)], **keys))
    assert np.array_equal(decoded.pixels, RGB)
    assert "several frames" in decoded.note


def test_notes_are_counted():
    assert note_lines(["", "a; b", "a"]) == ("2 images: a", "1 image: b")
