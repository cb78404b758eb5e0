"""Whether each encoding of a picture is read as what it is, or refused with its cause, by all three readers.

``python -m benchmarks.inputs.encodings DATA results/encodings.csv`` writes a blood cell (colours) and a metaphase
(gray) of the zip files in DATA as programs do, and reads them as ``train.py``, ``predict.py`` and ``karyotype.py``
do. ``--with-predictions`` names a table of 40 cells and 12 metaphases in ten encodings without loss: how many results
of the scripts are those of the PNG.
"""

import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import typer
from PIL import Image

from benchmarks.inputs.encoded import Encoded, encoded_gray, encoded_others, encoded_tiff, pil
from datamodules.inference.image_files import find_image_files
from datamodules.io.decode import Background, BrokenImageError, read_image
from datamodules.sources import scan
from karyocyte.common.files import write_csv
from karyocyte.config.sources import FolderConfig
from karyocyte.workflows.karyotyping.metaphases import find_pictures

REFERENCE, SILENT = "reference pixels", "SILENTLY WRONG"
ROUNDED = 2  # of 255: colours that are converted
LOSSLESS = ("bmp", "tiff", "tiff tiles", "tiff lzw", "bigtiff, big-endian, 16 bits", "png of 16 bits", "png interlaced",
            "webp", "jpeg 2000", "tiff planar of 16 bits")  # fmt: skip
BOX = {"class", "probability", "left", "top", "right", "bottom"}


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


def outcome(path: Path, reference: np.ndarray | None, background: Background) -> str:
    """Return whether a file is read as its reference, or why it is refused."""
    try:
        pixels = read_image(path, background)
    except BrokenImageError as error:
        return str(error)
    if reference is None or pixels.shape[:2] != reference.shape[:2]:
        return SILENT
    wanted = reference if reference.ndim == 3 else np.dstack([reference] * 3)
    return REFERENCE if np.abs(pixels - wanted.astype(int)).max() <= ROUNDED else SILENT


def stem_of(encoding: str) -> str:
    """Return a name of files without blanks and commas, which ``karyotype.py`` would replace."""
    return re.sub(r"\W+", "_", encoding)


def written(file: Encoded, folder: Path, prefix: str = "") -> Path:
    """Write a file, named by its encoding."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{prefix}{stem_of(file.name)}{file.suffix}"
    path.write_bytes(file.data)
    return path


def read(cell: np.ndarray, gray: np.ndarray, root: Path) -> pd.DataFrame:
    """Return what each reader makes of each encoding: a row for each."""
    backgrounds: dict[str, Background] = {"train": "black", "predict": "black", "karyotype": "detect"}
    of_picture = {"metaphases": encoded_gray(gray), "cells": encoded_tiff(cell) + encoded_others(cell)}
    files = {written(file, root / "pictures" / kind): file for kind, encoded in of_picture.items() for file in encoded}
    taken = listed(root / "pictures", root / "work")
    rows = []
    for path, file in files.items():
        row = {"encoding": file.name, "picture": path.parent.name}
        for reader, background in backgrounds.items():
            result = outcome(path, file.reference, background)
            row[reader] = result if str(path) in taken[reader] else SILENT
        rows.append(row)
    return pd.DataFrame(rows)


def run_script(script: str, folder: Path, output: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return what a script says of each picture that it reads, by the stem of the file: a row for each object."""
    if script == "karyotype":
        words, table = ["input=metaphases"], output / "chromosomes.csv"
    else:
        words, table = ["columns=all"], output
    model = "models/chromosomes"
    command = [sys.executable, f"scripts/{script}.py", model, str(folder), *words, "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True)
    frame = pd.read_csv(table)
    frame = frame[frame["status"] != "broken"].astype(object).fillna("")  # a missing value is not equal to itself
    frame["stem"] = frame["file"].str.extract(r"^([^./]+)")
    values = [name for name in frame if name in BOX or name.startswith("prob_")]
    return {stem: list(rows[values].itertuples(index=False, name=None)) for stem, rows in frame.groupby("stem")}


def predictions(data: Path, work: Path) -> pd.DataFrame:
    """Return how many results of each lossless encoding are those of the PNG."""
    table = []
    for archive, script, count in (("pbc_blood_cells", "predict", 40), ("metaphases", "karyotype", 12)):
        for number, rgb in enumerate(pictures(data / f"{archive}.zip", count)):
            png = Encoded("png", pil(Image.fromarray(rgb), "PNG"), rgb, ".png")
            for file in (png, *encoded_tiff(rgb), *encoded_others(rgb)):
                if file.name in ("png", *LOSSLESS):
                    written(file, work / archive, f"{number:02}_")
        found = run_script(script, work / archive, work / f"{script}.csv")
        for name in LOSSLESS:
            pairs = [(found.get(f"{number:02}_{stem_of(name)}"), found[f"{number:02}_png"]) for number in range(count)]
            equal = sum(result == wanted for result, wanted in pairs)
            refused = sum(result is None for result, _ in pairs)
            different = count - equal - refused
            table.append(
                {"pictures": archive, "encoding": name, "equal": equal, "refused": refused, "different": different}
            )
    return pd.DataFrame(table)


def main(data: Path, csv: Path, with_predictions: Path | None = None) -> None:
    """Write the tables, and print the number of encodings that are read wrongly without a word."""
    with TemporaryDirectory() as work:
        (cell,), (metaphase,) = (pictures(data / f"{name}.zip", 1) for name in ("pbc_blood_cells", "metaphases"))
        table = read(cell, metaphase[..., 0], Path(work))
        write_csv(csv, table)
        results = table[["train", "predict", "karyotype"]]
        silent = int((results == SILENT).any(axis=1).sum())
        print(f"{len(table)} encodings, {int((results == REFERENCE).all(axis=1).sum())} read, {silent} silently wrong")
        if with_predictions:
            write_csv(with_predictions, predictions(data, Path(work)))


if __name__ == "__main__":
    typer.run(main)
