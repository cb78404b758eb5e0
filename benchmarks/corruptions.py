"""What scripts/karyotype.py makes of cells with corrupted pictures: silently wrong, referred to an expert, or right.

``python -m benchmarks.corruptions --data FOLDER --csv results/chromosomes/corruptions.csv`` corrupts normal test cells
of a set, one of each case, writes them to a temporary folder, and names their karyotypes by the built-in model.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import cv2
import numpy as np
import pandas as pd
import typer

from benchmarks.karyotypes import held_out_cells
from benchmarks.shared import show
from datamodules.io.decode import border, bounding_box, read_image
from karyocyte.common.cli import console, report_user_errors
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_csv, write_csv
from karyocyte.common.karyotype import NORMAL, name_karyotype
from karyocyte.common.revision import revision
from karyocyte.workflows.karyotyping.karyotype_cells import karyotype_cells
from karyocyte.workflows.karyotyping.karyotype_request import KaryotypeRequest

# A file of a cell: uint8 pixels on black, shape (H, W), and its class; None of what is no chromosome by itself.
Crop = tuple[np.ndarray, str | None]
Cell = tuple[list[Crop], int]  # its files, and what their ground was: 0 or 255
Change = Callable[[np.ndarray], np.ndarray]
Corruption = Callable[[list[Crop], Crop], list[Crop]]  # of the files of a cell, and one of another cell and class


def changed(change: Change, count: int = 46) -> Corruption:
    """Change the pixels of some files."""
    return lambda crops, _: [(change(pixels), label) for pixels, label in crops[:count]] + crops[count:]


def copied(change: Change) -> Corruption:
    """Add a changed copy of a file."""
    return lambda crops, _: [*crops, (change(crops[0][0]), None)]


def joined(turns: int) -> Corruption:
    """Put two chromosomes into one file: side by side, two pixels of them in common; or crossing, after a turn."""

    def join(crops: list[Crop], _: Crop) -> list[Crop]:
        """Return the crops, the first two of them in one."""
        first, second = content(crops[0][0]), np.rot90(content(crops[1][0]), turns)
        by = np.subtract(first.shape, second.shape) // 2 if turns else (0, first.shape[1] - 2)
        corner = max(first.shape + second.shape)
        layers = np.zeros((2, 3 * corner, 3 * corner), np.uint8)
        for layer, pixels, (top, left) in zip(layers, (first, second), ((0, 0), by), strict=True):
            layer[corner + top :, corner + left :][: pixels.shape[0], : pixels.shape[1]] = pixels
        return [(np.pad(content(layers.max(axis=0)), 6), None), *crops[2:]]

    return join


def halved(crops: list[Crop], _: Crop) -> list[Crop]:
    """Cut a chromosome into two files."""
    pieces = np.array_split(content(crops[0][0]), 2)
    return [*((np.pad(piece, 6), None) for piece in pieces), *crops[1:]]


def content(pixels: np.ndarray) -> np.ndarray:
    """Cut a picture to its chromosome."""
    return pixels[bounding_box(pixels > 20)]


def noisy(pixels: np.ndarray) -> np.ndarray:
    """Add Gaussian noise."""
    return (pixels + np.random.default_rng(0).normal(0, 25, pixels.shape)).clip(0, 255).astype(np.uint8)


def compressed(pixels: np.ndarray) -> np.ndarray:
    """Compress as JPEG."""
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], 0))


def turned(pixels: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Turn a picture by 37 degrees, and scale it."""
    side = int(np.ceil(np.hypot(*pixels.shape) * scale)) + 4
    middle = np.array(pixels.shape[::-1]) / 2
    matrix = np.asarray(cv2.getRotationMatrix2D(middle.tolist(), 37.0, scale), np.float64)
    matrix[:, 2] += side / 2 - middle
    return cv2.warpAffine(pixels, matrix, (side, side))


def recut(pixels: np.ndarray) -> np.ndarray:
    """Cut a chromosome more tightly, turn and enlarge it."""
    inner = cv2.erode((pixels > 20).astype(np.uint8), np.ones((3, 3), np.uint8))
    return turned(pixels * inner, 1.1)


UPSIDE_DOWN = partial(np.rot90, k=2)
CORRUPTIONS: Mapping[str, Corruption] = {
    "none": changed(np.asarray),
    "1 upside down": changed(UPSIDE_DOWN, 1),
    "5 upside down": changed(UPSIDE_DOWN, 5),
    "23 upside down": changed(UPSIDE_DOWN, 23),
    "46 upside down": changed(UPSIDE_DOWN),
    "turned by 90 degrees": changed(np.rot90),
    "blurred": changed(lambda pixels: cv2.GaussianBlur(pixels, (0, 0), 2.0)),
    "inverted": changed(np.invert),
    "faded": changed(lambda pixels: (0.3 * pixels).astype(np.uint8)),
    "noisy": changed(noisy),
    "cut tightly, on gray": changed(lambda pixels: (40 + 0.7 * content(pixels)).astype(np.uint8)),
    "one file missing": lambda crops, _: crops[1:],
    "a padded copy": copied(lambda pixels: np.pad(pixels, 6)),
    "a JPEG copy": copied(compressed),
    "a mirrored copy": copied(np.fliplr),
    "a turned copy": copied(turned),
    "a turned copy, cut anew": copied(recut),
    "one in two pieces": halved,
    "one of another cell": lambda crops, stranger: [stranger, *crops[1:]],
    "two side by side": joined(turns=0),
    "two crossing": joined(turns=1),
}


def normal_cells(table: pd.DataFrame, count: int) -> list[Cell]:
    """Draw normal cells of a table of ``held_out_cells``, one of each case."""
    cells: dict[str, pd.DataFrame] = {}
    for _, cell in table.groupby("cell_id", sort=False):
        if name_karyotype(Counter(cell["class"])).kind == NORMAL:
            cells[cell["case_id"].fillna(cell["cell_id"]).iloc[0]] = cell.sample(frac=1, random_state=len(cells))
    if len(cells) < 2:
        raise UserError(
            f"fewer than two cases of the set of {table['path'].iloc[0]} have normal test cells: name another"
        )
    drawn = []
    for cell in pd.Series(cells).sample(min(count, len(cells)), random_state=0):
        pixels = [read_image(Path(path))[..., 0] for path in cell["path"]]
        ground = 255 * int(np.median(border(pixels[0])) > 127)
        drawn.append(([(each ^ ground, label) for each, label in zip(pixels, cell["class"], strict=True)], ground))
    return drawn


def measure(cells: Sequence[Cell], corruption: Corruption) -> dict[str, object]:
    """Corrupt cells, name their karyotypes, and count what comes out."""
    labels = {}
    with TemporaryDirectory() as temporary:
        for number, (crops, ground) in enumerate(cells):
            stranger = next(crop for crop in cells[number - 1][0] if crop[1] != crops[0][1])
            folder = Path(temporary, "cells", f"cell{number}")
            folder.mkdir(parents=True)
            for position, (pixels, label) in enumerate(corruption(crops, stranger)):
                file = folder / f"{position:02d}.png"
                labels[folder.name, f"{folder.name}/{file.name}"] = label
                cv2.imwrite(str(file), pixels ^ ground)
        output = Path(temporary, "output")
        with console.capture():
            karyotype_cells(KaryotypeRequest(words=[str(folder.parent)], output=output))
        named = read_csv(output / "karyotypes.csv").set_index("cell")
        classes = read_csv(output / "chromosomes.csv", dtype=str).set_index(["cell", "file"])["class"]
    expected = pd.Series(labels)[classes.index]
    right = (classes.fillna("none") == expected.fillna("none")).groupby("cell").all()
    referred = named["refer"] == "yes"
    reasons = named["reason"].dropna().str.replace(r"\d+ of \d+ |[:,].*| [\d.]+", "", regex=True)
    return {
        "cells": len(named),
        "silently_wrong": (~referred & ~right).sum(),
        "referred": referred.sum(),
        "right": (~referred & right).sum(),
        "right_but_referred": (referred & right).sum(),
        "first_reason": "".join(reasons.mode().head(1)),
    }


def main(data: Annotated[list[Path], typer.Option()], cells: int = 12, csv: Path | None = None) -> None:
    """Count corrupted cells that the built-in model names wrongly without referring them.

    It takes --cells normal test cells of fold 0 of each set, a folder with labels.csv (--data, several times).
    """
    rows = []
    for folder in data:
        drawn = normal_cells(held_out_cells(folder), cells)
        for name, corruption in CORRUPTIONS.items():
            rows.append({"data": folder.name, "corruption": name, **measure(drawn, corruption)})
        show(pd.DataFrame(rows[-len(CORRUPTIONS) :]), f"Corrupted cells of {folder}", list(rows[0])[1:])
    if csv:
        write_csv(csv, pd.DataFrame(rows).assign(revision=revision()))


if __name__ == "__main__":
    typer.run(report_user_errors()(main))
