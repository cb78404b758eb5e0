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

from datamodules.io.decode import (
    MAX_BYTES,
    MAX_SIDE,
    BrokenImageError,
    crop_to_content,
    decode_array,
    decode_image,
    encode_png,
    read_image,
)
from tests.helpers.real_data import real_archive

RGB = np.random.default_rng(0).integers(0, 256, (12, 17, 3), dtype=np.uint8)


def save(image: Image.Image, path: Path, **keys: object) -> Path:
    image.save(path, **keys)
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_a_hot_pixel_or_a_scale_bar_does_not_hide_that_fewer_bits_are_used(tmp_path, channels):
    values = np.random.default_rng(1).integers(500, 4096, (64, 64, channels), dtype=np.uint16)
    values[60, 10:30] = 65535
    path = tmp_path / "a.tif"
    assert cv2.imwrite(str(path), values)
    with pytest.raises(BrokenImageError, match=r"but for a few, end at 4,09\d .*: stretch all images alike"):
        read_image(path)
    values[40:] = 40_000
    assert cv2.imwrite(str(path), values)
    assert read_image(path).max() >= 155


def test_cmyk_that_may_be_inverted_is_refused(tmp_path):
    path = save(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), tmp_path / "a.jpg")
    data = path.read_bytes()
    start = data.index(b"\xff\xee")
    path.write_bytes(data[:start] + data[start + 16 :])
    with pytest.raises(BrokenImageError, match="no Adobe marker"):
        read_image(path)


# Every format that can tell: WebP, BMP and TIFF without compression have no check.
COMPRESSED = {
    "JPEG": ("JPEG", {}),
    "progressive JPEG": ("JPEG", {"progressive": True}),
    "PNG": ("PNG", {}),
    "LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "deflated": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "JPEG in TIFF": ("TIFF", {"compression": "jpeg"}),
}


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_damage_inside_a_compressed_picture_is_seen(name, mode):
    noise = np.random.default_rng(1).integers(0, 99, (96, 96, 3), np.uint8)
    kind, keys = COMPRESSED[name]
    if mode == "CMYK" and "JPEG" not in (kind, keys.get("compression", "").upper()):
        pytest.skip("other formats hold none")
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, kind, **keys)
    data = file.getvalue()
    assert decode_image(data).pixels.shape == noise.shape
    place = len(data) // 3
    for damaged in (
        data[:place] + bytes(600) + data[place + 600 :],
        data[:place] + data[place + 512 :],
        data[:place] + data[-2:],
    ):
        with pytest.raises(BrokenImageError, match=r"damaged|cut short|missing"):
            decode_image(damaged)


@pytest.mark.parametrize(
    "keys",
    [{"compression": "tiff_lzw"}, {"compression": "tiff_lzw", "tiffinfo": {278: 7}}, {"compression": "packbits"}],
    ids=["LZW", "LZW in strips", "PackBits"],
)
def test_a_changed_code_gives_a_part_of_another_length(keys):
    size = 120  # of enough values that the table of the codes is cleared
    picture = np.add.outer(np.arange(size), np.arange(size)) + np.random.default_rng(1).integers(0, 9, (size, size))
    file = io.BytesIO()
    Image.fromarray((picture // 4 * 4).astype(np.uint8)).save(file, "TIFF", **keys)
    data = file.getvalue()
    decode_image(data)
    for place in range(len(data) // 4, len(data) * 3 // 4, len(data) // 40):
        with pytest.raises(BrokenImageError, match=r"damaged|cut short"):
            decode_image(data[:place] + bytes(255 - value for value in data[place : place + 16]) + data[place + 16 :])


def test_an_end_that_old_programs_write_a_bit_too_short_is_read():
    number = np.arange(766)  # after as many different pairs of values the codes become wider
    values = (number * (2 * (number // 256) + 1) % 256).astype(np.uint8)[None]
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF", compression="tiff_lzw")
    # The code of the end, 257, in 10 bits and then 7 of filling, in place of 11 and 6.
    end, short_end = (257 << 6).to_bytes(2, "big"), (257 << 7).to_bytes(2, "big")
    assert file.getvalue().count(end) == 1
    assert (decode_image(file.getvalue().replace(end, short_end)).pixels[..., 0] == values).all()


@pytest.mark.parametrize(("outline", "inside", "ground"), [(220, 90, 255), (40, 200, 0)])
def test_a_cut_out_lies_on_the_ground_that_its_outline_shows(tmp_path, outline, inside, ground):
    values = np.zeros((20, 20, 4), np.uint8)
    values[4:16, 4:16] = [outline] * 3 + [255]
    values[6:14, 6:14, :3] = inside
    save(Image.fromarray(values), tmp_path / "a.png")
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


def announcing(suffix: str, side: int, depth: type = np.uint8) -> bytes:
    """Return a file of 7 x 7 pixels whose header announces ``side`` x ``side``."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((7, 7), depth)).save(file, Image.registered_extensions()[suffix])
    data = bytearray(file.getvalue())
    place, code, width = {
        ".png": (16, ">II", 4),
        ".bmp": (18, "<II", 4),
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


BOMBS = [(suffix, side, np.uint8) for suffix in (".png", ".bmp", ".jpg", ".tif") for side in (10_001, 65_000)]
BOMBS += [(suffix, 30_000, np.uint16) for suffix in (".png", ".tif")]


@pytest.mark.parametrize(("suffix", "side", "depth"), BOMBS)
def test_an_image_bomb_is_refused_by_its_header(suffix, side, depth):
    # Whoever decodes these first would say that they are cut short.
    with pytest.raises(BrokenImageError, match="too large: scale it"):
        decode_image(announcing(suffix, side, depth))


def test_other_formats_are_read_by_content_alone_and_start_no_program(tmp_path, monkeypatch):
    save(Image.fromarray(RGB), tmp_path / "a.png", format="WEBP")
    assert read_image(tmp_path / "a.png").shape == RGB.shape
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    for text, cause in ((eps, "not an image"), (b"<!DOCTYPE html>", "download it again")):
        with pytest.raises(BrokenImageError, match=cause):
            decode_image(text)


def test_what_is_no_plain_file_or_not_there_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(MAX_BYTES + 1)  # of no block on the disk
    messages = {"pipe": "no plain file", "device": "no plain file", "large": "too large", "none": "cannot be read"}
    for name, message in messages.items():
        with pytest.raises(BrokenImageError, match=message):
            read_image(tmp_path / f"{name}.png")


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


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3), (MAX_SIDE + 1, 1), (9, 7, "blank")])
def test_a_picture_in_memory_is_decoded_as_that_of_a_file(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape[:2] if "blank" in shape else shape, np.uint8)
    pixels *= "blank" not in shape
    results = []
    for decode, source in ((decode_array, pixels), (decode_image, encode_png(pixels))):
        try:
            results.append(decode(source))
        except BrokenImageError as error:
            results.append(str(error))
    ours, of_file = results
    if isinstance(ours, str):
        assert ours == of_file
    else:
        np.testing.assert_array_equal(ours.pixels, of_file.pixels)
        assert (ours.channels, ours.note) == (of_file.channels, of_file.note)


def test_the_crop_is_the_bounding_box_of_what_is_not_black():
    image = np.zeros((50, 80, 3), np.uint8)
    image[10:30, 20:50] = np.random.default_rng(0).integers(30, 255, (20, 30, 3), np.uint8)
    assert np.array_equal(crop_to_content(image, 0), image[10:30, 20:50])
    image[5, 5] = 4  # gray 4: a speck outside
    assert crop_to_content(image, 0).shape == (25, 45, 3)
    assert crop_to_content(image, 4).shape == (20, 30, 3)
    black = np.zeros((20, 30, 3), np.uint8)  # it stays whole
    assert crop_to_content(black, 0).shape == (20, 30, 3)
