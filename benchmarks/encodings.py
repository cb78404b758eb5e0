"""Whether each encoding of a picture is read as what it is, or refused with its cause, by all three readers.

``python -m benchmarks.encodings DATA results/encodings.csv`` writes a blood cell (colours) and a metaphase (gray) of
the zip files in DATA as programs do, and reads them as the three scripts do. ``--with-predictions`` names a
table of 40 cells by a random network, and 12 metaphases by the built-in detector: how many predictions of files without
loss are the PNG's.
"""

import io
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
import tifffile
import torch
import typer
from PIL import Image

from datamodules.inference.image_batches import ImageFileBatches
from datamodules.inference.image_files import ImageFile, find_image_files
from datamodules.io.decode import BrokenImageError, read_image
from datamodules.metaphases.picture import network_picture
from datamodules.sources import scan
from karyocyte.common.config.data import PrepareConfig
from karyocyte.common.config.sources import FolderConfig
from karyocyte.common.files import write_csv
from karyocyte.common.runs.portable import BUILT_IN_DETECTOR
from karyocyte.common.text import counted
from karyocyte.workflows.karyotyping.metaphases import find_pictures
from lightning_modules.detection.trained import TrainedDetector, load_detector

REFERENCE, SILENT = "reference pixels", "SILENTLY WRONG"
ROUNDED = 2  # of 255: colours that are converted
LOSSLESS = ("bmp", "tiff", "tiff tiles", "tiff lzw", "bigtiff, big-endian, 16 bits", "png of 16 bits", "png interlaced",
            "webp", "jpeg 2000", "tiff planar of 16 bits")  # fmt: skip
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
EXIF = Image.Exif()
EXIF[274] = 6  # turned by a quarter


class Encoded(NamedTuple):
    """A file."""

    data: bytes
    reference: np.ndarray | None  # uint8, shape (H, W) or (H, W, 3); None: no 8-bit picture stands for it
    suffix: str = ".tif"


def tif(pixels: np.ndarray, photometric: str = "rgb", **keys: Any) -> bytes:
    """Write a TIFF by tifffile."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric=photometric, **keys)
    return file.getvalue()


def paged(*pages: np.ndarray) -> bytes:
    """Write a TIFF of several pages by tifffile."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(page, photometric="rgb", metadata=None)
    return file.getvalue()


def packed(gray: np.ndarray, bits: int, photometric: str = "minisblack") -> Encoded:
    """Pack gray values of few bits in the file of tifffile, which changes its tags alone."""
    values = gray.astype(np.uint32) * 257 >> (16 - bits)
    rows = values[..., None] >> np.arange(bits - 1, -1, -1) & 1
    content = np.packbits(rows.astype(np.uint8).reshape(len(gray), -1), axis=1).tobytes()
    file = io.BytesIO(tif(gray.astype(np.uint16), photometric, rowsperstrip=len(gray)))
    with tifffile.TiffFile(file) as opened:
        tags, start = opened.pages.first.tags, opened.pages.first.dataoffsets[0]
        for number, value in ((258, bits), (279, len(content))):
            file.seek(tags[number].valueoffset)
            file.write(struct.pack({3: "<H", 4: "<I"}[int(tags[number].dtype)], value))
    read = np.rint(values * (255 / (2**bits - 1))).astype(np.uint8)
    return Encoded(file.getvalue()[:start] + content, 255 - read if photometric == "miniswhite" else read)


def pil(pixels: np.ndarray, form: str, mode: str = "RGB", **keys: Any) -> bytes:
    """Write a file by Pillow."""
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, form, **keys)
    return file.getvalue()


def interlaced(rgb: np.ndarray) -> bytes:
    """Write an interlaced PNG, which none of the three programs does."""
    rows = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in ADAM7 for row in rgb[y::dy, x::dx])
    header = struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 8, 2, 0, 0, 1)
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return data


def encodings(rgb: np.ndarray, gray: np.ndarray) -> dict[str, Encoded]:
    """Encode uint8 pixels (H, W, 3) and (H, W); cut-outs have alpha of 0 and 255."""
    deep, planes, turned = rgb.astype(np.uint16) * 257, np.moveaxis(rgb, -1, 0), np.rot90(rgb)
    deep_gray, ramp = gray.astype(np.uint16) * 257, np.arange(256, dtype=np.uint16)
    inside = np.zeros(rgb.shape[:2], np.uint8)
    cv2.circle(inside, (rgb.shape[1] // 2, rgb.shape[0] // 2), min(rgb.shape[:2]) // 2 - 9, 255, -1)
    over_black, colours = rgb * (inside[..., None] > 0), np.stack([ramp, 255 - ramp, ramp // 2])
    quantized, indexed = Image.fromarray(rgb).quantize(64), io.BytesIO()
    quantized.save(indexed, "PNG")
    few = np.asarray(quantized.convert("RGB"))
    other: dict[str, Any] = {"save_all": True, "append_images": [Image.fromarray(255 - few)]}
    jpeg, cmyk = pil(rgb, "JPEG"), pil(rgb, "JPEG", "CMYK", quality=100)
    read_jpeg = np.asarray(Image.open(io.BytesIO(jpeg)))
    read_cmyk = np.asarray(Image.open(io.BytesIO(cmyk)).convert("RGB"))
    png = cv2.imencode(".png", deep[..., ::-1])[1].tobytes()
    lzw = cv2.imencode(".tif", rgb[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes()
    smaller = [np.ascontiguousarray(rgb[::step, ::step]) for step in (2, 4)]
    alpha, black_alpha = np.dstack([rgb, inside]), np.dstack([over_black, inside])
    separated = tif(np.dstack([255 - rgb, np.zeros_like(inside)]), "separated")
    files = {f"gray of {counted(bits, 'bit')}": packed(gray, bits) for bits in (1, 2, 4, 10, 12, 14)}
    return files | {
        "gray of 2 bits, white is zero": packed(gray, 2, "miniswhite"),
        "gray of 14 bits, white is zero": packed(gray, 14, "miniswhite"),
        "gray of 8 bits": Encoded(tif(gray, "minisblack"), gray),
        "gray of 8 bits, white is zero": Encoded(tif(gray, "miniswhite"), 255 - gray),
        "gray of 16 bits": Encoded(tif(deep_gray, "minisblack"), gray),
        "gray of 16 bits, white is zero": Encoded(tif(deep_gray, "miniswhite", byteorder=">"), 255 - gray),
        "gray, 12 of 16 bits, right": Encoded(tif(deep_gray >> 4, "minisblack"), None),
        "gray, 12 of 16 bits, left": Encoded(tif(deep_gray & 0xFFF0, "minisblack"), gray),
        "gray, floating-point": Encoded(tif((gray / 255).astype(np.float32), "minisblack"), None),
        "gray, signed": Encoded(tif(gray.view(np.int8), "minisblack"), None),
        "gray palette": Encoded(tif(gray, "palette", colormap=colours * 257), colours.T[gray].astype(np.uint8)),
        "tiff": Encoded(tif(rgb), rgb),
        "tiff strips": Encoded(tif(rgb, rowsperstrip=7), rgb),
        "tiff tiles": Encoded(tif(rgb, tile=(64, 64), compression="zlib"), rgb),
        "tiff planar": Encoded(tif(planes, planarconfig="separate"), rgb),
        "tiff of 16 bits": Encoded(tif(deep), rgb),
        "tiff planar of 16 bits": Encoded(tif(np.moveaxis(deep, -1, 0), planarconfig="separate"), None),
        "tiff, floating-point": Encoded(tif((rgb / 255).astype(np.float32)), None),
        "tiff lzw": Encoded(lzw, rgb),
        "bigtiff": Encoded(tif(rgb, bigtiff=True), rgb),
        "bigtiff, big-endian, 16 bits": Encoded(tif(deep, bigtiff=True, byteorder=">"), rgb),
        "tiff alpha": Encoded(tif(alpha, extrasamples=["unassalpha"]), over_black),
        "tiff alpha, associated": Encoded(tif(black_alpha, extrasamples=["assocalpha"]), over_black),
        "tiff cmyk": Encoded(separated, rgb),
        "tiff lab": Encoded(tif(rgb, "cielab"), None),
        "tiff pages": Encoded(paged(rgb, 255 - rgb), rgb),
        "tiff pyramid": Encoded(paged(rgb, *smaller), rgb),
        "tiff turned": Encoded(tif(turned, extratags=[(274, 3, 1, 6, True)]), rgb),
        "png turned": Encoded(pil(turned, "PNG", exif=EXIF), rgb, ".png"),
        "png of 16 bits": Encoded(png, rgb, ".png"),
        "png interlaced": Encoded(interlaced(rgb), rgb, ".png"),
        "png palette": Encoded(indexed.getvalue(), few, ".png"),
        "apng": Encoded(pil(few, "PNG", **other), few, ".png"),
        "gif": Encoded(pil(few, "GIF", **other), few, ".gif"),
        "bmp": Encoded(pil(rgb, "BMP"), rgb, ".bmp"),
        "webp": Encoded(pil(rgb, "WEBP", lossless=True), rgb, ".webp"),
        "jpeg 2000": Encoded(pil(rgb, "JPEG2000"), rgb, ".jp2"),
        "jpeg, cmyk": Encoded(cmyk, read_cmyk, ".jpg"),
        "jpeg named .jfif": Encoded(jpeg, read_jpeg, ".jfif"),
        "png named .jpg": Encoded(png, rgb, ".jpg"),
        "tiff without suffix": Encoded(tif(rgb), rgb, ""),
        "png cut short": Encoded(png[: len(png) // 2], None, ".png"),
        "tiff cut short": Encoded(tif(rgb)[:-999], None),
        "empty": Encoded(b"", None, ".png"),
    }


def pictures(archive: Path, count: int) -> list[np.ndarray]:
    """Return pictures of a zip file, evenly drawn, as Pillow gives them: uint8, shape (H, W, 3)."""
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if name.endswith(".jpg")]
        chosen = names[:: len(names) // count][:count]
        return [np.array(Image.open(io.BytesIO(opened.read(name))).convert("RGB")) for name in chosen]


def listed(root: Path, work: Path) -> dict[str, set[str]]:
    """Return the files that each reader takes for images, broken ones among them."""
    folders = FolderConfig(source="folder", positive_class="cells", on_broken="skip")
    manifest, found = scan(folders, str(root), work, False), find_pictures(root, "metaphases", work, False)
    assert found is not None
    return {
        "train": {str(root / path) for path in (*manifest.frame["path"], *manifest.skipped)},
        "predict": {str(file.path) for file in find_image_files([root], work, False).files},
        "karyotype": {str(file.path) for file in found.files},
    }


def outcome(path: Path, reference: np.ndarray | None, background: Any) -> str:
    """Return whether a file is read as its reference, or why it is refused; cut-outs may lie over white, too."""
    try:
        pixels = read_image(path, background)
    except BrokenImageError as error:
        return str(error)
    if reference is None or pixels.shape[:2] != reference.shape[:2]:
        return SILENT
    wanted = reference if reference.ndim == 3 else np.dstack([reference] * 3)
    if background == "detect" and "alpha" in path.name:
        pixels = np.where(wanted == 0, 0, pixels)
    return REFERENCE if np.abs(pixels.astype(int) - wanted).max() <= ROUNDED else SILENT


def read(cell: np.ndarray, gray: np.ndarray, root: Path) -> pd.DataFrame:
    """Return what each reader makes of each encoding: a row for each."""
    rows = []
    paths = {}
    encoded = encodings(cell, gray)
    for name, file in encoded.items():
        folder = root / "pictures" / ("metaphases" if name.startswith("gray") else "cells")
        folder.mkdir(parents=True, exist_ok=True)
        paths[name] = folder / f"{name.replace('.', '').replace(' ', '_')}{file.suffix}"
        paths[name].write_bytes(file.data)
    names = listed(root / "pictures", root / "work")
    for name, path in paths.items():
        row = {"encoding": name, "picture": path.parent.name}
        for reader, background in (("train", "black"), ("predict", "black"), ("karyotype", "detect")):
            result = outcome(path, encoded[name].reference, background)
            row[reader] = result if str(path) in names[reader] else SILENT
        rows.append(row)
    return pd.DataFrame(rows)


def by_random_network(path: Path) -> np.ndarray:
    """Return what a random network makes of a file that is prepared as predict.py does, shape (1, 8)."""
    batches = ImageFileBatches([ImageFile(path, path.name, ())], PrepareConfig(size=64), 1)
    images = list(batches)
    if not images:
        raise BrokenImageError(batches.causes[0])
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 16, 5, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(256, 8), torch.nn.Softmax(1))
    return np.asarray(network(torch.from_numpy(images[0]).float() / 255).detach())


def by_detector(detector: TrainedDetector, path: Path) -> np.ndarray:
    """Return the boxes that a detector finds, and their probabilities, shape (N, 5)."""
    image = read_image(path, "detect")
    return np.column_stack(detector.find([network_picture(image, scale) for scale in detector.scales]))


def predictions(data: Path, root: Path, cells: int = 40, metaphases: int = 12) -> pd.DataFrame:
    """Return how many predictions of each lossless encoding are those of the PNG."""
    rows = []
    find = partial(by_detector, load_detector(BUILT_IN_DETECTOR))
    sets = (("pbc_blood_cells", cells, by_random_network), ("metaphases", metaphases, find))
    for archive, count, predict in sets:
        for number, rgb in enumerate(pictures(data / f"{archive}.zip", count)):
            Image.fromarray(rgb).save(root / "a.png")
            wanted = predict(root / "a.png")
            encoded = encodings(rgb, rgb[..., 0])
            for name in LOSSLESS:
                path = root / f"a{encoded[name].suffix}"
                path.write_bytes(encoded[name].data)
                try:
                    result = "equal" if np.array_equal(predict(path), wanted) else "different"
                except BrokenImageError as error:
                    result = str(error)
                rows.append({"pictures": archive, "encoding": name, "prediction": result, "number": number})
    keys = ["pictures", "encoding", "prediction"]
    return pd.DataFrame(rows).groupby(keys, sort=False)["number"].size().reset_index(name="count")


def main(data: Path, csv: Path, with_predictions: Path | None = None) -> None:
    """Write the tables, and print the number of encodings that are read wrongly without a word."""
    with TemporaryDirectory() as work:
        cell, metaphase = (pictures(data / f"{name}.zip", 1)[0] for name in ("pbc_blood_cells", "metaphases"))
        table = read(cell, metaphase[..., 0], Path(work))
        write_csv(csv, table)
        results = table[["train", "predict", "karyotype"]]
        silent = int((results == SILENT).any(axis=1).sum())
        print(f"{len(table)} encodings, {int((results == REFERENCE).all(axis=1).sum())} read, {silent} silently wrong")
        if with_predictions:
            write_csv(with_predictions, predictions(data, Path(work)))


if __name__ == "__main__":
    typer.run(main)
