"""Writes tiny sets of metaphases, in the layout of Tseng et al. (2023)."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from cytogenetics.config.sources import SyntheticChromosomesConfig
from cytogenetics.metaphases.data.cut_out import CutOut
from cytogenetics.metaphases.sources.synthetic_metaphases import draw_metaphase
from cytogenetics.synthesis.metaphase_picture import MetaphasePicture
from tests.helpers.images import write_image

ALONE = (("A1", (2, 3, 26, 44)), ("X", (30, 5, 60, 44)))  # which overlap no other
BOXES = (("A1", (2, 3, 30, 20)), ("X", (20, 10, 40, 40)))
# Pictures of four cases; one is declared in no list.
PICTURES = ("1050011", "1050012", "1050041", "1050031_1", "105044")
LISTS = {
    "normal.csv": "filename,chromosome numbers,description\n1050011.jpg,46,\n1050012.jpg,46,\n1050031_1.jpg,46,\n",
    "number_abnormalities.csv": 'filename,chromosome numbers,description\n1050041.jpg,47,"X, Y"\n1999991.jpg,47,\n',
}
SIZE = (64, 48)  # width and height


@cache
def drawn_metaphase() -> MetaphasePicture:
    """A composed picture of a whole metaphase."""
    return draw_metaphase(SyntheticChromosomesConfig(cells=3, cases=3), 0)


def agreements(picture: MetaphasePicture, cuts: Sequence[CutOut]) -> list[float]:
    """The intersection over the union of each chromosome's true mask and what is cut out of the picture."""
    found = []
    for cut, one in zip(cuts, picture.chromosomes, strict=True):
        ours, true = (placed(picture, each.mask, each.corner) for each in (cut, one))
        found.append((ours & true).sum() / (ours | true).sum())
    return found


def placed(picture: MetaphasePicture, mask: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """A mask at its place in the picture."""
    whole = np.zeros(picture.pixels.shape, bool)
    x, y = corner
    rows, columns = np.nonzero(mask)
    whole[rows + y, columns + x] = True
    return whole


def write_picture(path: Path, seed: int) -> Path:
    """Write dark noise on light."""
    pixels = np.full((SIZE[1], SIZE[0]), 250, np.uint8)
    pixels[8:-8, 8:-8] = np.random.default_rng(seed).integers(60, 200, (32, 48))
    return write_image(path, pixels)


def write_voc(file: Path, boxes: Sequence[tuple[str, Sequence[float]]] = BOXES) -> Path:
    """Write a Pascal VOC file."""
    objects = ""
    for name, corners in boxes:
        sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
        box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
        objects += f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"<annotation>{objects}</annotation>")
    return file


def write_metaphases(
    root: Path,
    pictures: Sequence[str] = PICTURES,
    lists: Mapping[str, str] = LISTS,
    suffix: str = ".jpg",
    boxes: Sequence[tuple[str, Sequence[float]]] = BOXES,
) -> Path:
    """Write pictures, boxes and lists."""
    for number, name in enumerate(pictures):
        write_picture(root / "24_chromosomes_object" / "JEPG" / f"{name}{suffix}", number)
        write_voc(root / "24_chromosomes_object" / "annotations" / f"{name}.xml", boxes)
    for name, text in lists.items():
        (root / name).write_text(text)
    return root
