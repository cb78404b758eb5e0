"""Abnormal cells derived from real normal ones: chromosomes gained and lost."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from cytogenetics.synthesis.metaphase import GROUND, Chromosome, Metaphase, trim

GAINED = ("13", "18", "21")  # autosomes of trisomies: those that are compatible with birth
_BEND = (0.03, 0.06)  # of the height: how far the middle line is pushed aside; more than a pixel, and never a hook


class Derived(NamedTuple):
    """An abnormal cell made from a normal one."""

    cell: Metaphase  # the changed copy, under its parent's name and subject
    iscn: str  # such as "47,XX,+21"


def derive(cell: Metaphase, kind: str, donors: Sequence[Metaphase], rng: np.random.Generator) -> Derived:
    """Make a normal cell abnormal.

    A gained chromosome is taken from another cell of the same subject, at this cell's scale and stain, where there is
    one, and is else a homologue's mirror image, lightly bent.

    Args:
        cell: Of normal karyotype.
        kind: A field of `DerivedConfig`.
        donors: Cells of which those of the same subject may give a chromosome.
        rng: Draws chromosome and donor.
    """
    sex = "X" * cell.counts["X"] + "Y" * cell.counts["Y"]
    if kind == "gain":
        return _gain(cell, str(rng.choice(GAINED)), donors, rng)
    if kind == "sex_gain":  # XX becomes XXX (no cell of a woman can give a Y), XY becomes XXY or XYY
        return _gain(cell, str(rng.choice(sorted(set(sex)))), donors, rng)
    return _lose(cell, sex[-1], rng)  # 45,X: XX loses one X, XY the Y


def _gain(cell: Metaphase, label: str, donors: Sequence[Metaphase], rng: np.random.Generator) -> Derived:
    places = _places(cell, label)
    like = cell.chromosomes[places[int(rng.integers(len(places)))]]
    relatives = []
    for donor in donors:
        is_relative = cell.subject is not None and donor.subject == cell.subject and donor.name != cell.name
        if is_relative and donor.counts[label] > 0:
            relatives.append(donor)
    if relatives:
        donor = relatives[int(rng.integers(len(relatives)))]
        scale = math.sqrt(_area(cell) / _area(donor))
        choices = _places(donor, label)
        gained = _take_over(donor.chromosomes[choices[int(rng.integers(len(choices)))]], scale, like)
    else:
        gained = _bent_mirror_image(like, rng)
    # Anywhere among its homologues: the last place of the three must not give it away.
    at = int(rng.choice([*places, places[-1] + 1]))
    return _by_counts(cell, (*cell.chromosomes[:at], gained, *cell.chromosomes[at:]))


def _lose(cell: Metaphase, label: str, rng: np.random.Generator) -> Derived:
    places = _places(cell, label)
    lost = places[int(rng.integers(len(places)))]
    return _by_counts(cell, (*cell.chromosomes[:lost], *cell.chromosomes[lost + 1 :]))


def _by_counts(cell: Metaphase, chromosomes: tuple[Chromosome, ...]) -> Derived:
    changed = replace(cell, chromosomes=chromosomes)
    return Derived(changed, changed.karyotype.iscn)


def _places(cell: Metaphase, label: str) -> list[int]:
    return [place for place, chromosome in enumerate(cell.chromosomes) if chromosome.label == label]


def _area(cell: Metaphase) -> int:
    return sum(int(chromosome.mask.sum()) for chromosome in cell.chromosomes)


def _take_over(donor: Chromosome, scale: float, like: Chromosome) -> Chromosome:
    """Bring a chromosome of another cell to the scale of this one, and to the stain of a homologue."""
    height, width = donor.mask.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    mask = cv2.resize(donor.mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    pixels = cv2.resize(donor.pixels, size, interpolation=interpolation).astype(np.float64)
    here = like.pixels[like.mask].astype(np.float64)
    there = pixels[mask]
    stained = (pixels - there.mean()) * (here.std() / max(there.std(), 1.0)) + here.mean()
    return _redrawn(donor, stained, mask)


def _bent_mirror_image(chromosome: Chromosome, rng: np.random.Generator) -> Chromosome:
    """Mirror a chromosome left to right and bend it a little to one side: no copy pixel for pixel."""
    height, width = chromosome.mask.shape
    reach = max(1.5, rng.uniform(*_BEND) * height)
    push = rng.choice([-1.0, 1.0]) * reach * np.sin(np.pi * np.arange(height) / max(height - 1, 1))
    margin = int(np.ceil(reach)) + 1
    columns = np.arange(width + 2 * margin) - margin
    x = (width - 1 - columns[None, :] + push[:, None]).astype(np.float32)
    y = np.repeat(np.arange(height, dtype=np.float32)[:, None], len(columns), axis=1)
    mask = cv2.remap(chromosome.mask.astype(np.float32), x, y, cv2.INTER_LINEAR, borderValue=0.0) > 0.5
    pixels = cv2.remap(chromosome.pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=GROUND)
    return _redrawn(chromosome, pixels.astype(np.float64), mask)


def _redrawn(source: Chromosome, pixels: np.ndarray, mask: np.ndarray) -> Chromosome:
    clean = np.where(mask, np.clip(np.rint(pixels), 0, 255), GROUND).astype(np.uint8)
    return trim(replace(source, pixels=clean, mask=mask))
