"""The chromosomes of one cell as pictures: what karyograms are composed of, and what abnormalities are made on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cytogenetics.karyotypes.naming import Karyotype, name_karyotype
from datamodules.io.decode import border, bounding_box, read_image
from datamodules.manifest.manifest import Manifest
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.text import natural_key

GROUND = 255  # of a G-banded chromosome: dark on white
_SPECK = 0.03  # of the largest part's area: what is smaller is dirt


@dataclass(frozen=True, eq=False)
class Chromosome:
    """One chromosome, upright as its source has it: the short arm up."""

    label: str  # "1" to "22", "X" or "Y"
    pixels: np.ndarray  # uint8 gray, shape (H, W), dark on light; `GROUND` outside the mask
    mask: np.ndarray  # bool, shape (H, W): where the chromosome is
    image_id: str  # of the picture that it comes from


@dataclass(frozen=True, eq=False)
class Metaphase:
    """The chromosomes of one cell."""

    name: str
    subject: str | None
    chromosomes: tuple[Chromosome, ...]  # in the order of the classes

    @property
    def counts(self) -> Mapping[str, int]:
        """How many chromosomes there are of each class."""
        return Counter(chromosome.label for chromosome in self.chromosomes)

    @property
    def karyotype(self) -> Karyotype:
        """What the counts say."""
        return name_karyotype(self.counts)


def read_metaphase(manifest: Manifest, rows: Sequence[int]) -> Metaphase:
    """Read one cell, rows of a manifest of single chromosomes; a ``UserError`` says that a picture is empty."""
    chromosomes = []
    for row in rows:
        gray = cv2.cvtColor(read_image(manifest.file(row)), cv2.COLOR_RGB2GRAY)
        chromosomes.append(to_chromosome(gray, *manifest.frame[["label", "image_id"]].iloc[row]))
    chromosomes.sort(key=lambda one: (CHROMOSOMES.index(one.label), natural_key(one.image_id)))
    name, subject = manifest.frame[["cell", "subject"]].iloc[rows[0]]
    return Metaphase(str(name), subject if isinstance(subject, str) else None, tuple(chromosomes))


def to_chromosome(pixels: np.ndarray, label: str, image_id: str) -> Chromosome:
    """Separate a chromosome from its ground; a picture that is bright on black (Q-bands) is inverted.

    Args:
        pixels: uint8 gray, shape (H, W), cut tightly around the chromosome.
        label: Its class.
        image_id: Of its picture.

    Raises:
        UserError: The picture is empty.
    """
    edge = np.sort(border(pixels))
    if np.median(edge) < 128 and np.median(edge[: max(1, len(edge) // 4)]) < 64:
        pixels = 255 - pixels
    mask = np.zeros(pixels.shape, np.uint8)
    contours, _ = cv2.findContours((pixels < GROUND - 10).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # Light bands within the outline belong to the chromosome, and satellites beyond a light stalk; specks do not.
    areas = list(map(cv2.contourArea, contours))
    for contour, area in zip(contours, areas, strict=True):
        if area >= _SPECK * max(areas):
            cv2.drawContours(mask, [contour], -1, 1, thickness=cv2.FILLED)
    inside = mask.astype(bool)
    if not inside.any():
        remedy = "replace the picture, or take its cell out of the data"
        raise UserError(f"{image_id}: no chromosome of class {label} to be seen: {remedy}")
    return Chromosome(label, np.where(inside, pixels, GROUND).astype(np.uint8), inside, image_id)


def trim(chromosome: Chromosome) -> Chromosome:
    """Cut a chromosome's picture down to its mask."""
    box = bounding_box(chromosome.mask)
    return replace(chromosome, pixels=chromosome.pixels[box], mask=chromosome.mask[box])
