"""A further chromosome for a cell: from another cell of the same subject, or made of one of the cell's own."""

from dataclasses import replace

import cv2
import numpy as np

from datamodules.synthesis.metaphase import GROUND, Chromosome

_BEND = (0.03, 0.06)  # of the height: how far the middle line is pushed aside; more than a pixel, and never a hook


def take_over(donor: Chromosome, scale: float, like: Chromosome) -> Chromosome:
    """Bring a chromosome of another cell to the scale and the stain of this one.

    Args:
        donor: As it is in the other cell.
        scale: Pixels here per pixel there.
        like: A homologue of this cell: its mean gray value and their spread are taken on.
    """
    height, width = donor.mask.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    mask = cv2.resize(donor.mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    pixels = cv2.resize(donor.pixels, size, interpolation=how).astype(np.float64)
    here = like.pixels[like.mask].astype(np.float64)
    there = pixels[mask]
    stained = (pixels - there.mean()) * (here.std() / max(there.std(), 1.0)) + here.mean()
    return _whole(donor, stained, mask)


def bent_mirror_image(chromosome: Chromosome, rng: np.random.Generator) -> Chromosome:
    """Mirror a chromosome left to right and bend it a little to one side, drawn: no copy pixel for pixel."""
    height, width = chromosome.mask.shape
    reach = max(1.5, rng.uniform(*_BEND) * height)
    push = rng.choice([-1.0, 1.0]) * reach * np.sin(np.pi * np.arange(height) / max(height - 1, 1))
    margin = int(np.ceil(reach)) + 1
    columns = np.arange(width + 2 * margin) - margin
    x = (width - 1 - columns[None, :] + push[:, None]).astype(np.float32)
    y = np.repeat(np.arange(height, dtype=np.float32)[:, None], len(columns), axis=1)
    mask = cv2.remap(chromosome.mask.astype(np.float32), x, y, cv2.INTER_LINEAR, borderValue=0.0) > 0.5
    pixels = cv2.remap(chromosome.pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=GROUND)
    return _whole(chromosome, pixels.astype(np.float64), mask)


def _whole(source: Chromosome, pixels: np.ndarray, mask: np.ndarray) -> Chromosome:
    """The chromosome anew, all of it marked as changed, cut down to its mask."""
    rows, columns = (np.flatnonzero(mask.any(axis=side)) for side in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    clean = np.where(mask, np.clip(np.rint(pixels), 0, 255), GROUND).astype(np.uint8)
    return replace(source, pixels=clean[box], mask=mask[box], changed=mask[box].copy())
