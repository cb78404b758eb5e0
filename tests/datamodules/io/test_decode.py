"""Every kind of file ends as 8-bit RGB by the written rule."""

import io
import os
import struct
import subprocess
import warnings
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from datamodules.io import decode
from datamodules.io.decode import (
    MAX_BYTES,
    BrokenImageError,
    common_range,
    decode_image,
    least_range,
    least_range_of_file,
    read_image,
)
from tests.helpers.real_data import real_archive

RGB = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)
GRAY = RGB[..., 0]


def save(image: Image.Image, path: Path, **keys: object) -> Path:
    image.save(path, **keys)
    return path


BITS = Image.fromarray(GRAY > 127)
PALETTE = Image.fromarray(RGB).quantize(8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize(
    ("image", "pixels"),
    [
        (Image.fromarray(RGB), RGB),
        (Image.fromarray(GRAY), np.dstack([GRAY] * 3)),
        (BITS, np.dstack([np.where(BITS, 255, 0)] * 3)),
        (PALETTE, np.array(PALETTE.convert("RGB"))),
    ],
    ids=["rgb", "gray", "one bit", "palette"],
)
def test_every_mode_becomes_rgb(tmp_path, image, pixels, suffix):
    assert np.array_equal(read_image(save(image, tmp_path / f"a{suffix}")), pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("colour", [RGB, GRAY])
def test_transparency_is_composited_over_black(tmp_path, colour, suffix):
    alpha = np.full(GRAY.shape, 255, np.uint8)
    alpha[:4], alpha[4:8] = 0, 128
    pixels = read_image(save(Image.fromarray(np.dstack([colour, alpha])), tmp_path / f"a{suffix}"))
    opaque = colour if colour.ndim == 3 else np.dstack([colour] * 3)
    assert (pixels[:4] == 0).all()
    assert np.abs(pixels[4:8].astype(int) - opaque[4:8] * (128 / 255)).max() <= 1
    assert np.array_equal(pixels[8:], opaque[8:])


def test_cmyk_jpeg_is_converted(tmp_path):
    flat = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = read_image(save(flat, tmp_path / "a.jpg"))[4, 4].astype(int)
    assert red[0] > 240
    assert red[1:].max() < 15


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_divided_by_257(tmp_path, suffix, channels):
    values = np.random.default_rng(1).integers(0, 65536, (9, 11, 4), dtype=np.uint16)
    values[0, 0], values[0, 1], values[..., 3] = 0, 65535, 65535
    path = tmp_path / f"a{suffix}"
    assert cv2.imwrite(str(path), values[..., 0] if channels == 1 else values[..., :channels])
    wanted = np.dstack([values[..., 0]] * 3) if channels == 1 else values[..., 2::-1]
    decoded = decode_image(path.read_bytes())
    assert np.array_equal(decoded.pixels, wanted // 257)
    assert decoded.channels == channels


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_rgb_tiff_in_both_byte_orders(order):
    values = np.arange(2 * 3 * 3, dtype=np.uint16).reshape(2, 3, 3) * 3855
    assert np.array_equal(decode_image(tiff16(values, order)).pixels, values // 257)


@pytest.mark.parametrize("compression", [1, 5])  # none, LZW
def test_a_sixteen_bit_tiff_cut_anywhere_is_broken_or_whole(compression):
    values = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000
    data = cv2.imencode(".tif", values, [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1].tobytes()
    whole = decode_image(data).pixels
    for length in range(len(data)):
        try:
            shown = decode_image(data[:length]).pixels
        except BrokenImageError:
            continue
        assert np.array_equal(shown, whole)  # the last bytes, which point to no further page, may be missing


@pytest.mark.parametrize(
    ("values", "full"),
    [
        (np.linspace(0, 1, 12, dtype=np.float32), 1),
        (np.arange(12, dtype=np.float64) * 20, 255),
        (np.arange(12, dtype=np.int32) * 300, 4095),
        (np.arange(12, dtype=np.float32) * 5000, 65535),
    ],
)
def test_floats_and_thirty_two_bits_have_the_least_range_that_holds_them(tmp_path, values, full):
    cv2.imwrite(str(tmp_path / "a.tif"), values.reshape(3, 4))
    pixels = read_image(tmp_path / "a.tif")[..., 0].ravel()
    assert np.abs(pixels - values * (255 / full)).max() <= 1


@pytest.mark.parametrize("value", [-1.0, 70000.0, np.nan, np.inf])
def test_floats_without_a_range_are_broken(tmp_path, value):
    cv2.imwrite(str(tmp_path / "a.tif"), np.array([[0.5, value]], np.float32))
    with pytest.raises(BrokenImageError, match="float32"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_bits_that_are_not_used_are_detected(tmp_path, bits, suffix):
    values = np.linspace(0, 2**bits - 1, 60).astype(np.uint16).reshape(6, 10)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), values)
    pixels = read_image(tmp_path / f"a{suffix}", "detect")[..., 0]
    assert np.abs(pixels - values * (255 / (2**bits - 1))).max() <= 1
    assert np.array_equal(read_image(tmp_path / f"a{suffix}")[..., 0], values // 257)


def test_images_of_one_camera_have_one_range(tmp_path):
    """Of two images of 12 bits the darker one uses 10 of them."""
    ranges = []
    for name, high in (("dark", 900), ("light", 4000)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.linspace(0, high, 60).astype(np.uint16).reshape(6, 10))
        ranges.append(least_range((tmp_path / f"{name}.png").read_bytes()))
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((6, 10), 255, np.uint8))
    ranges.append(least_range_of_file(tmp_path / "plain.png"))
    ranges.append(least_range_of_file(tmp_path / "missing.png"))
    assert ranges == [1023, 4095, None, None]
    assert common_range(ranges) == 4095
    assert common_range([None, None]) is None
    maxima = [read_image(tmp_path / f"{name}.png", "detect", 4095).max() for name in ("dark", "light", "plain")]
    assert maxima == [900 * 255 // 4095, 4000 * 255 // 4095, 255]
    assert read_image(tmp_path / "light.png", "detect", 1023).max() == maxima[1]  # its own range is larger


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize(("outline", "inside", "ground"), [(220, 90, 255), (40, 200, 0)])
def test_a_cut_out_lies_on_the_ground_that_its_outline_shows(tmp_path, outline, inside, ground, depth):
    factor = np.iinfo(depth).max // 255
    values = np.zeros((20, 20, 4), depth)
    values[4:16, 4:16] = [outline * factor] * 3 + [255 * factor]
    values[6:14, 6:14, :3] = inside * factor
    cv2.imwrite(str(tmp_path / "a.png"), values)
    pixels = read_image(tmp_path / "a.png", "detect")
    assert (pixels[:4] == ground).all()
    assert (pixels[8:12, 8:12] == inside).all()


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_the_cameras_orientation_is_applied(tmp_path, suffix):
    exif = Image.Exif()
    exif[274] = 6  # to be turned by 90 degrees clockwise
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16] = 255
    shown = read_image(save(Image.fromarray(pixels), tmp_path / f"a{suffix}", exif=exif))
    assert shown.shape == (32, 16, 3)
    assert shown[:12].min() > 200
    assert shown[20:].max() < 50


def test_damaged_exif_is_named(tmp_path):
    save(Image.fromarray(RGB), tmp_path / "a.jpg", exif=b"Exif\x00\x00MM\x1d*" + bytes(4))
    with pytest.raises(BrokenImageError, match="damaged EXIF"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_sixteen_bits_is_that_of_eight(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    values = np.arange(24, dtype=np.uint16).reshape(4, 6) * 10
    eight = read_image(save(Image.fromarray(values.astype(np.uint8)), tmp_path / f"8{suffix}", exif=exif))
    sixteen = read_image(save(Image.fromarray(values * 257), tmp_path / f"16{suffix}", exif=exif))
    assert np.array_equal(sixteen, eight)


@pytest.mark.parametrize(
    ("suffix", "sixteen"),
    [(".png", False), (".bmp", False), (".tif", False), (".jpg", False), (".png", True), (".tif", True)],
)
def test_a_file_cut_short_is_broken(tmp_path, suffix, sixteen):
    values = np.random.default_rng(2).integers(0, 65536, (60, 60), dtype=np.uint16)
    path = tmp_path / f"a{suffix}"
    save(Image.fromarray(values if sixteen else (values >> 8).astype(np.uint8)), path)
    for share in (0.0, 0.1, 0.5, 0.9):
        cut = path.read_bytes()[: int(path.stat().st_size * share)]
        with pytest.raises(BrokenImageError):
            decode_image(cut)


def bmp(pixels: np.ndarray, header: int = 40, top_down: bool = False, gap: int = 0) -> bytes:
    """Return a BMP file of 24 bits."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, -(-3 * width // 4) * 4), np.uint8)
    rows[:, : 3 * width] = (pixels if top_down else pixels[::-1])[..., ::-1].reshape(height, -1)
    start = 14 + header + gap
    sizes = struct.pack("<IiiHHII", header, width, -height if top_down else height, 1, 24, 0, rows.size)
    head = struct.pack("<2sIII", b"BM", start + rows.size, 0, start) + sizes
    return head.ljust(start, b"\0") + rows.tobytes()


def outcome(data: bytes) -> tuple[object, ...]:
    """What a file is decoded to, or why it is broken."""
    try:
        image = decode_image(data)
    except BrokenImageError as error:
        return (str(error),)
    return image.pixels.shape, image.pixels.tobytes(), image.channels, image.by_settings


@pytest.mark.parametrize("header", [40, 108, 124])
@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 17])
def test_a_bmp_of_24_bits_is_read_without_pillow(monkeypatch, header, top_down, width):
    pixels = np.ascontiguousarray(RGB[:, :width])
    data = bmp(pixels, header, top_down, gap=width)
    assert Image.open(io.BytesIO(data)).format == "BMP"
    monkeypatch.setattr(decode, "_opened", lambda _: pytest.fail("read by Pillow"))
    image = decode_image(data)
    assert np.array_equal(image.pixels, pixels)
    assert image.pixels.flags.writeable
    assert image.channels == 3


def test_of_a_damaged_bmp_pillow_says_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    whole = bmp(RGB, gap=4)
    files = [whole[:length] for length in range(0, len(whole), 7)]
    large = [19, 20, 23, 24]  # bytes that make it thousands of pixels wide or high
    for _ in range(400):
        data = bytearray(whole)
        for place in rng.choice(np.setdiff1d(np.arange(58), large), rng.integers(1, 4)):
            data[place] = rng.choice([0, 1, 24, 40, 255, int(rng.integers(256))])
        files.append(bytes(data))
    ours = [outcome(data) for data in files]
    monkeypatch.setattr(decode, "_plain_bmp", lambda _: None)
    assert ours == [outcome(data) for data in files]
    assert {len(one) for one in ours} == {1, 4}


def test_what_is_no_image_or_not_there_is_broken(tmp_path):
    with pytest.raises(BrokenImageError, match="not an image"):
        decode_image(b"Patient_ID,new_names,labels\n")
    with pytest.raises(BrokenImageError, match="cannot be read"):
        read_image(tmp_path / "none.png")


def announcing(suffix: str, side: int, depth: type = np.uint8) -> bytes:
    """Return a file of 7 x 7 pixels whose header announces ``side`` x ``side``."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((7, 7), depth)).save(file, Image.registered_extensions()[suffix])
    data = bytearray(file.getvalue())
    place, code, width = {
        ".png": (16, ">II", 4),
        ".bmp": (18, "<II", 4),
        ".gif": (6, "<HH", 2),
        ".jpg": (data.find(b"\xff\xc0") + 5, ">HH", 2),
        ".tif": (None, "<I", 4),
    }[suffix]
    if place is None:  # tags 256 and 257
        for tag in (256, 257):
            struct.pack_into("<HHII", data, data.find(struct.pack("<HHII", tag, 4, 1, 7)), tag, 4, 1, side)
    else:
        struct.pack_into(code, data, place, *[min(side, 256**width - 1)] * 2)
    if suffix == ".png":
        struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif", ".jpg", ".tif"])
@pytest.mark.parametrize("side", [10_001, 65_000])
def test_an_image_bomb_is_refused_by_its_header(suffix, side):
    # Whoever decodes these first would say that they are cut short.
    with pytest.raises(BrokenImageError, match="too large: scale it"):
        decode_image(announcing(suffix, side))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_an_image_bomb_of_sixteen_bits_is_refused_by_its_header(suffix):
    bomb = announcing(suffix, 30_000, np.uint16)
    with pytest.raises(BrokenImageError, match="too large: scale it"):
        decode_image(bomb)
    assert least_range(bomb) is None


def test_other_formats_are_read_by_content_alone_and_start_no_program(tmp_path, monkeypatch):
    for name in ("GIF", "WEBP", "JPEG2000"):
        save(Image.fromarray(RGB), tmp_path / "a.png", format=name)
        assert read_image(tmp_path / "a.png").shape == RGB.shape
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    with pytest.raises(BrokenImageError, match="not an image"):
        decode_image(eps)


def test_what_is_no_plain_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(MAX_BYTES + 1)  # of no block on the disk
    for name, message in (("pipe", "no plain file"), ("device", "no plain file"), ("large", "too large")):
        with pytest.raises(BrokenImageError, match=message):
            read_image(tmp_path / f"{name}.png")
        assert least_range_of_file(tmp_path / f"{name}.png") is None


def test_float16_is_broken():
    data = bytearray(tiff16(np.full((3, 3, 3), 15360, np.uint16), "<"))
    place = data.find(struct.pack("<HHI", 259, 3, 1))  # in place of the compression, whose default is none
    struct.pack_into("<HHIHH", data, place, 339, 3, 1, 3, 0)
    with pytest.raises(BrokenImageError, match="float16"):
        decode_image(bytes(data))


def test_real_chromosomes_of_every_mode_are_read_in_silence():
    with zipfile.ZipFile(real_archive("chromosomes_612cells")) as archive, warnings.catch_warnings():
        warnings.simplefilter("error")
        names = [name for name in archive.namelist() if "97002135.5_" in name or "98000079.8_" in name]
        decoded = [decode_image(archive.read(name)) for name in names]
    assert {image.channels for image in decoded} == {1, 4}
    for image in (image for image in decoded if image.channels == 4):
        edge = np.concatenate([image.pixels[0], image.pixels[-1]])
        assert np.median(edge) > 200  # dark on white: the fourth channel hides nothing
        assert image.pixels.min() < 120


def tiff16(values: np.ndarray, order: str) -> bytes:
    """Return an uncompressed 16-bit RGB TIFF whose directory precedes the pixels."""
    height, width, channels = values.shape
    data = values.astype(f"{order}u2").tobytes()
    tags = [(256, 4, width), (257, 4, height), (258, 3, None), (259, 3, 1), (262, 3, 2), (273, 4, None)]
    tags += [(277, 3, channels), (278, 4, height), (279, 4, len(data))]
    bits_at = 8 + 2 + 12 * len(tags) + 4
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", len(tags))
    for tag, kind, value in tags:
        count = 3 if tag == 258 else 1
        value = bits_at if tag == 258 else bits_at + 6 if tag == 273 else value
        inline = struct.pack(order + "HH", value, 0) if kind == 3 and tag != 258 else struct.pack(order + "I", value)
        head += struct.pack(order + "HHI", tag, kind, count) + inline
    return head + struct.pack(order + "I", 0) + struct.pack(order + "HHH", 16, 16, 16) + data
