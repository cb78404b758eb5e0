"""Abnormal cells made of real pictures: ``python -m cytogenetics.evidence.composed DATA OUT``.

A chromosome that touches no other is taken out of a normal picture of the calibration, or one of the same case is
placed where nothing lies, as in `abnormal`. OUT gets a folder per picture, for scripts/karyotype.py, and cells.csv.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pandas as pd
import typer

from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.metaphases.data.cut_out import CutOut, cut_out, network_picture
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from datamodules.io.decode import read_image
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import compose_config

NORMAL = ("46,XX", "46,XY")
# How many cells of each kind: gains and losses of an autosome, and sex chromosomes of a normal female or male cell.
CELLS = {"trisomy": 70, "monosomy": 50, "45,X": 20, "47,XXX": 20, "47,XXY": 20, "47,XYY": 20}
MARGIN = 3  # pixels of ground that are changed with a chromosome
SMALLEST = 150  # pixels of a chromosome, at least
TRIES = 400


@dataclass(frozen=True, eq=False)
class Picture:
    """A normal picture of the data set."""

    case: str
    name: str
    pixels: np.ndarray  # uint8 RGB, shape (H, W, 3)
    boxes: np.ndarray  # float32, shape (n, 4)
    classes: list[str]
    free: dict[int, CutOut]  # chromosomes that touch no other, by the row of the box

    @property
    def karyotype(self) -> str:
        """The karyotype by the boxes."""
        return name_karyotype(Counter(self.classes)).iscn

    def rows_of(self, label: str) -> list[int]:
        """Return the free chromosomes of a class."""
        return [row for row in self.free if self.classes[row] == label]


def read_pictures(data: Path) -> list[Picture]:
    """Read the pictures of the calibration whose boxes are those of a normal cell."""
    kept = pd.read_parquet(ROOT / "results" / "evidence" / "karyotypes" / "metaphases.parquet")
    names = {Path(name).stem for name in kept["cell"][kept["part"] == "calibration"]}
    module = MetaphaseDataModule(compose_config([f"data_dir={data}"], "detector"))
    frame = module.manifest.frame
    pictures = []
    for row in np.flatnonzero(frame["image_id"].isin(names)).tolist():
        of_row = frame.iloc[row]
        classes = [CHROMOSOMES[label] for label in of_row["chromosomes"]]
        if name_karyotype(Counter(classes)).iscn in NORMAL:
            pixels = read_image(module.manifest.file(row))
            free = free_chromosomes(pixels, of_row["boxes"])
            pictures.append(Picture(str(of_row["subject"]), of_row["image_id"], pixels, of_row["boxes"], classes, free))
    return pictures


def free_chromosomes(pixels: np.ndarray, boxes: np.ndarray) -> dict[int, CutOut]:
    """Cut out the chromosomes whose boxes meet no other box."""
    shared = np.minimum(boxes[:, None, 2:], boxes[:, 2:]) > np.maximum(boxes[:, None, :2], boxes[:, :2])
    rows = np.flatnonzero(shared.all(axis=2).sum(axis=1) == 1)  # each meets itself
    cuts = cut_out(network_picture(pixels, 1.0), boxes[rows])
    return {row: cut for row, cut in zip(rows.tolist(), cuts, strict=True) if cut.mask.sum() >= SMALLEST}


def place_of(cut: CutOut, shape: tuple[int, ...], margin: int = MARGIN) -> np.ndarray:
    """Return where a chromosome and a little ground around it lie: uint8, shape (H, W), 0 or 1."""
    mask = np.zeros(shape[:2], np.uint8)
    rows, columns = np.nonzero(cut.mask)
    x, y = cut.corner
    mask[(rows + y).clip(0, shape[0] - 1), (columns + x).clip(0, shape[1] - 1)] = 1
    return cv2.dilate(mask, np.ones((2 * margin + 1,) * 2, np.uint8))


def without(picture: Picture, row: int) -> np.ndarray:
    """Return the pixels without one chromosome: its place is filled from the ground around it."""
    return cv2.inpaint(picture.pixels, place_of(picture.free[row], picture.pixels.shape), 5, cv2.INPAINT_TELEA)


def with_another(picture: Picture, donor: Picture, row: int, rng: np.random.Generator) -> np.ndarray | None:
    """Return the pixels with a chromosome of a picture more, turned, where nothing lies; None where it has no room."""
    place = place_of(donor.free[row], donor.pixels.shape)
    left, top, width, height = cv2.boundingRect(place)
    within = np.s_[top : top + height, left : left + width]
    around = place_of(donor.free[row], donor.pixels.shape, MARGIN + 2) > place
    ground = np.median(donor.pixels[around], axis=0)
    darker = (ground - donor.pixels[within].astype(float)) * place[within][..., None]
    darker = np.rot90(darker, int(rng.integers(4)))
    if rng.random() < 0.5:
        darker = darker[:, ::-1]
    height, width = darker.shape[:2]
    first, last = picture.boxes[:, :2].min(axis=0).clip(0), picture.boxes[:, 2:].max(axis=0)
    dark = network_picture(picture.pixels, 1.0)
    threshold, _ = cv2.threshold(dark, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    for _ in range(TRIES):
        x, y = (rng.uniform(first, np.maximum(last - (width, height), first + 1))).astype(int).tolist()
        part = np.s_[y : y + height, x : x + width]
        box = np.array([x, y, x + width, y + height])
        meets = (np.minimum(picture.boxes[:, 2:], box[2:]) > np.maximum(picture.boxes[:, :2], box[:2])).all(axis=1)
        if dark[part].shape == (height, width) and not meets.any() and not (dark[part] > threshold / 2).any():
            pixels = picture.pixels.astype(float)
            pixels[part] -= darker
            return pixels.round().clip(0, 255).astype(np.uint8)
    return None


def abnormal(
    picture: Picture, of_case: list[Picture], kind: str, rng: np.random.Generator
) -> tuple[np.ndarray, str] | None:
    """Make one abnormality in a picture, and return pixels and karyotype; None where it is not possible."""
    counts = Counter(picture.classes)
    label = str(rng.choice(AUTOSOMES))
    if not kind.endswith("somy"):
        wanted = Counter(kind.split(",")[1])
        changed = [sex for sex in "XY" if wanted[sex] != counts[sex]]
        if sum(abs(wanted[sex] - counts[sex]) for sex in "XY") != 1:
            return None
        label = changed[0]
    gains = kind == "trisomy" or kind.startswith("47")
    donors = [(one, row) for one in (of_case if gains else [picture]) for row in one.rows_of(label)]
    if not donors:
        return None
    donor, row = donors[rng.integers(len(donors))]
    pixels = with_another(picture, donor, row, rng) if gains else without(picture, row)
    counts[label] += 1 if gains else -1
    return None if pixels is None else (pixels, name_karyotype(counts).iscn)


def main(data: Annotated[Path, typer.Argument()], out: Annotated[Path, typer.Argument()], seed: int = 0) -> None:
    """Write abnormal cells that are made of normal pictures."""
    rng = np.random.default_rng(seed)
    pictures = read_pictures(data)
    rows = []
    for kind, number in CELLS.items():
        made = 0
        while made < number:
            picture = pictures[rng.integers(len(pictures))]
            found = abnormal(picture, [one for one in pictures if one.case == picture.case], kind, rng)
            if found is None:
                continue
            cell = f"{picture.name}_{kind.replace(',', '_')}_{made}"
            folder = out / f"batch{len(rows) // 25}" / cell
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{cell}.png"), cv2.cvtColor(found[0], cv2.COLOR_RGB2BGR))
            rows.append(
                {"case": picture.case, "cell": cell, "kind": kind, "before": picture.karyotype, "true": found[1]}
            )
            made += 1
    pd.DataFrame(rows).to_csv(out / "cells.csv", index=False)


if __name__ == "__main__":
    typer.run(main)
