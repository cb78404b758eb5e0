"""The chromosomes of one cell as pictures: what karyograms are composed of, and what abnormalities are made on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from common.errors import UserError
from common.karyotype import Karyotype, name_karyotype
from datamodules.io.decode import BrokenImageError, read_image
from datamodules.manifest.manifest import Manifest

GROUND = 255  # of a G-banded chromosome: dark on white
_SPECK = 0.03  # of the largest part's area: what is smaller is dirt


@dataclass(frozen=True, eq=False)
class Chromosome:
    """One chromosome, upright as its source has it: the short arm up.

    Attributes:
        label: "1" to "22", "X" or "Y".
        pixels: uint8 gray, shape (H, W), dark on light; `GROUND` outside the mask.
        mask: bool, shape (H, W): where the chromosome is.
        image_id: Of the picture that it comes from.
        changed: bool, shape (H, W): where an abnormality was made; None where it is as it was.
    """

    label: str
    pixels: np.ndarray
    mask: np.ndarray
    image_id: str
    changed: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Metaphase:
    """The chromosomes of one cell.

    Attributes:
        name: The cell's.
        subject: Whose cell it is; None where unknown.
        chromosomes: In the order of the source.
        lost: Labels of chromosomes that were taken out: their empty places are where the truth lies.
    """

    name: str
    subject: str | None
    chromosomes: tuple[Chromosome, ...]
    lost: tuple[str, ...] = field(default=())

    @property
    def counts(self) -> Mapping[str, int]:
        """How many chromosomes there are of each class."""
        return Counter(chromosome.label for chromosome in self.chromosomes)

    @property
    def karyotype(self) -> Karyotype:
        """What the counts say."""
        return name_karyotype(self.counts)


def read_metaphases(manifest: Manifest) -> list[Metaphase]:
    """Read the chromosomes of every cell of a manifest of single chromosomes, in the manifest's order of cells.

    Raises:
        BrokenImageError: A picture cannot be read; the scan has read each once before.
        UserError: A picture is empty.
    """
    cells = manifest.frame.groupby("cell", sort=False)
    return [
        Metaphase(str(name), _subject(rows["subject"].iloc[0]), tuple(_read(manifest, row) for row in rows.index))
        for name, rows in cells
    ]


def to_chromosome(pixels: np.ndarray, label: str, image_id: str) -> Chromosome:
    """Separate a chromosome from its ground.

    A picture that is bright on black (Q-bands) is inverted, so that all chromosomes are dark on light.

    Args:
        pixels: uint8 gray, shape (H, W), cut tightly around the chromosome.
        label: Its class.
        image_id: Of its picture.

    Raises:
        UserError: The picture is empty.
    """
    if _is_on_black(pixels):
        pixels = 255 - pixels
    mask = np.zeros(pixels.shape, np.uint8)
    contours, _ = cv2.findContours((pixels < GROUND - 10).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # Light bands within the outline belong to the chromosome, and satellites beyond a light stalk; specks do not.
    areas = [cv2.contourArea(contour) for contour in contours]
    parts = [contour for contour, area in zip(contours, areas, strict=True) if area >= _SPECK * max(areas)]
    cv2.drawContours(mask, parts, -1, 1, thickness=cv2.FILLED)
    inside = mask.astype(bool)
    if not inside.any():
        remedy = "replace the picture, or take its cell out of the data"
        raise UserError(f"{image_id}: no chromosome of class {label} to be seen: {remedy}")
    return Chromosome(label, np.where(inside, pixels, GROUND).astype(np.uint8), inside, image_id)


def _is_on_black(pixels: np.ndarray) -> bool:
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return bool(np.median(edge) < 128 and np.median(np.sort(edge)[: max(1, len(edge) // 4)]) < 64)


def _read(manifest: Manifest, row: int) -> Chromosome:
    facts = manifest.frame.loc[row]
    try:
        gray = cv2.cvtColor(read_image(manifest.file(row)), cv2.COLOR_RGB2GRAY)
    except BrokenImageError as error:
        raise BrokenImageError(f"{manifest.file(row)}: {error}") from error
    return to_chromosome(gray, facts["label"], facts["image_id"])


def _subject(value: object) -> str | None:
    if value is None:
        return None
    return str(value)
