"""Draws a stained white blood cell on black.

Light is absorbed as in a real smear (Beer and Lambert): amounts of dye add up to a density, exp(-density) is left.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_ANGLES = 720
# Optical densities (red, green, blue) per unit of dye: azure on chromatin is purple, basophilic cytoplasm is blue.
_CHROMATIN_DYE = np.array([0.98, 1.62, 0.56], np.float32)
_CYTOPLASM_DYE = np.array([0.62, 0.52, 0.16], np.float32)


@dataclass(frozen=True)
class CellTraits:
    """What a cell looks like. Lengths are shares of the image's side or of the part said."""

    radius: float  # mean radius of the cell, share of the image's side
    elongation: float  # long axis over short axis, 1 or more
    nucleus: float  # radius of the nucleus over that of the cell, 0 to 1
    irregularity: float  # relative roughness of the nucleus' border, 0 to about 0.1
    cleft: float  # depth of the cleft in the nucleus, share of its radius; 0 for none
    clumps: float  # strength of the coarse chromatin clumps, 0 to 1
    fineness: float  # strength of the fine chromatin network, 0 to 1
    nucleoli: int  # how many nucleoli
    basophilia: float  # amount of blue dye in the cytoplasm
    stain: float  # amount of dye in the chromatin
    hue: float  # shift of the dyes towards red (positive) or blue (negative), about -0.2 to 0.2
    light: float  # brightness of the lamp, about 0.8 to 1.1
    blur: float  # out-of-focus blur, standard deviation as a share of the image's side


def draw_cell(traits: CellTraits, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one cell, uint8 RGB, shape (size, size, 3), 0 outside; all that the traits leave open comes from ``rng``."""
    cell, nucleus = _outlines(traits, size, rng)
    membrane = np.clip(nucleus - cv2.GaussianBlur(nucleus, (0, 0), max(0.015 * size, 0.5)), 0.0, 1.0)
    chromatin = (_chromatin(traits, size, rng) + 0.45 * membrane) * nucleus
    cytoplasm = traits.basophilia * (0.85 + 0.18 * _noise(size, 9, rng) + 0.1 * _noise(size, 30, rng))
    # A blast's cytoplasm is darkest at the cell's rim, and paler beside the nucleus.
    rim = 1.0 - cv2.GaussianBlur(cell, (0, 0), max(0.018 * size, 0.5))
    halo = cv2.GaussianBlur(nucleus, (0, 0), max(0.02 * size, 0.5))
    cytoplasm = np.clip(cytoplasm * (1.0 + 0.9 * rim - 0.35 * halo), 0.05, None) * cell
    warm = np.array([1.0 - traits.hue, 1.0, 1.0 + 1.2 * traits.hue], np.float32)
    density = chromatin[..., None] * (_CHROMATIN_DYE * warm) + cytoplasm[..., None] * (_CYTOPLASM_DYE * warm)
    # The light on the slide slopes a little across the field.
    slope = rng.normal(0.0, 0.05, 2)
    field = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    lamp = (1.0 + slope[0] * field[None, :] + slope[1] * field[:, None]).astype(np.float32)
    image = traits.light * lamp[..., None] * np.exp(-density)
    image = cv2.GaussianBlur(image, (0, 0), max(traits.blur * size, 0.3))
    image += rng.normal(0.0, 0.008, image.shape).astype(np.float32)
    # Cut out as a segmentation does: black begins at once, and no pixel of the cell is as black as the background.
    return np.where(cell[..., None] > 0.5, np.clip(image * 255.0, 2.0, 255.0), 0.0).astype(np.uint8)


def _outlines(traits: CellTraits, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks of cell and nucleus, float32 (size, size), 0 to 1 with a soft edge of a pixel."""
    centre = 0.5 * size + rng.uniform(-0.02, 0.02, 2) * size
    turn = rng.uniform(0.0, np.pi)
    stretch = np.sqrt(traits.elongation)
    wobble = _wobble(0.014 + 0.25 * traits.irregularity, rng)
    radius = size * min(traits.radius, 0.47 / (wobble.max() * stretch))  # the whole cell lies in the image
    cell = _blob(size, centre, radius * wobble, turn, stretch)
    inner = traits.nucleus * radius * _wobble(traits.irregularity, rng)
    # The deepest place of the cleft, and how wide it opens.
    distance = np.abs((np.arange(_ANGLES) / _ANGLES - rng.uniform() + 0.5) % 1.0 - 0.5)
    inner *= 1.0 - traits.cleft * np.exp(-0.5 * (distance / rng.uniform(0.025, 0.06)) ** 2)
    # The nucleus lies off the middle as far as there is room.
    way = rng.uniform(0.0, 2.0 * np.pi)
    room = 0.75 * rng.uniform() * max(1.0 - 1.06 * traits.nucleus, 0.0) * radius
    nucleus = _blob(size, centre + room * np.array([np.cos(way), np.sin(way)]), inner, turn, stretch**0.8)
    return cell, nucleus * cell


def _wobble(strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return a radius by angle, about 1, shape (_ANGLES,): few and smooth waves, the slower the stronger."""
    angle = np.arange(_ANGLES) * (2.0 * np.pi / _ANGLES)
    waves = np.arange(2, 9)
    height = rng.normal(0.0, strength, waves.size) * (2.0 / waves)
    return np.asarray(
        1.0 + (height[:, None] * np.cos(waves[:, None] * angle + rng.uniform(0, 2 * np.pi, (waves.size, 1)))).sum(0)
    )


def _blob(size: int, centre: np.ndarray, radius: np.ndarray, turn: float, stretch: float) -> np.ndarray:
    grid = np.arange(size, dtype=np.float32) + 0.5
    x = grid[None, :] - np.float32(centre[0])
    y = grid[:, None] - np.float32(centre[1])
    along = (x * np.cos(turn) + y * np.sin(turn)).astype(np.float32) / np.float32(stretch)
    across = (y * np.cos(turn) - x * np.sin(turn)).astype(np.float32) * np.float32(stretch)
    distance, angle = cv2.cartToPolar(along, across)
    border = radius.astype(np.float32)[(angle * (_ANGLES / (2.0 * np.pi))).astype(np.int32) % _ANGLES]
    return np.asarray(np.clip(border - distance + 0.5, 0.0, 1.0))


def _chromatin(traits: CellTraits, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the amount of dye in the nucleus, float32 (size, size): clumps, a fine network, and pale nucleoli."""
    coarse = np.tanh(1.5 * _warped(size, 14, rng))
    network = 0.6 - np.abs(_warped(size, 26, rng))
    fine = 0.6 * _noise(size, 40, rng) + 0.4 * _noise(size, 70, rng)
    dye = 1.0 + 0.4 * traits.clumps * coarse + traits.fineness * (0.26 * network + 0.2 * fine)
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    for _ in range(traits.nucleoli):
        way = rng.uniform(0.0, 2.0 * np.pi)
        out = np.sqrt(rng.uniform(0.0, 0.35)) * traits.nucleus * traits.radius
        x = 0.5 + out * np.cos(way)
        y = 0.5 + out * np.sin(way)
        width = rng.uniform(0.1, 0.16) * traits.radius
        spot = np.exp(-0.5 * ((grid[None, :] - x) ** 2 + (grid[:, None] - y) ** 2) / width**2)
        # Pale in the middle, with condensed chromatin around.
        dye = dye * (1.0 - 0.6 * spot**2) + 0.5 * spot * (1.0 - spot)
    return np.asarray((traits.stain * np.clip(dye, 0.35, 1.9)).astype(np.float32))


def _noise(size: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise, float32 (size, size), mean about 0 and standard deviation about 1; ``cells`` per side."""
    cells = min(cells, size)
    knots = rng.standard_normal((cells, cells), dtype=np.float32)
    return cv2.resize(knots, (size, size), interpolation=cv2.INTER_CUBIC) * np.float32(1.35)


def _warped(size: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise whose coordinates are bent by other noise: threads and lumps instead of round spots."""
    noise = _noise(size, cells, rng)
    grid = np.arange(size, dtype=np.float32)
    bend = np.float32(0.28 * size / cells)
    x = grid[None, :] + bend * _noise(size, cells, rng)
    y = grid[:, None] + bend * _noise(size, cells, rng)
    return cv2.remap(noise, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
