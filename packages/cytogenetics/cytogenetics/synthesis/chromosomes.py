"""Draws a G-banded chromosome on white: dye and outline by the place along and aside of its bent axis."""

from dataclasses import dataclass

import cv2
import numpy as np
import scipy

from cytogenetics.synthesis.ideogram import ACROCENTRIC, BANDS, IDEOGRAM, LIGHT

WHITE = 255
_STRETCH = 0.008  # how far bands lie from where they lie in their class, standard deviation, share of the length
_SAMPLES = 4  # of the bands, per pixel of length
_EDGE = 238.0  # a pixel is the chromosome's where it is darker, before it is cut out
_CENTROMERE_DYE = 0.45
_TOE = 0.2


@dataclass(frozen=True)
class ChromosomeTraits:
    """What a chromosome looks like. Lengths are in pixels, angles in radians, positive ones clockwise."""

    label: str  # "1" to "22", "X" or "Y": it gives the bands and the centromere
    length: float  # along the axis
    width: float  # of both chromatids
    bow: float = 0.0  # by how much the axis turns, evenly over its length
    kink: float = 0.0  # by how much it turns at the knee
    knee: float = 0.5  # where the knee is, share of the length
    tilt: float = 0.0  # of the upright axis
    waist: float = 0.35  # how much narrower it is at the centromere, share of the width
    splay: float = 0.2  # how far the chromatids part at the ends, 0 (not at all) to 1
    groove: float = 0.25  # how pale the line between the chromatids is, 0 to 1
    stain: float = 1.0  # contrast of the dye, about 0.7 to 1.1
    jitter: float = 0.1  # how much the dye of each band differs from its class, standard deviation
    smear: float = 1.2  # of the bands along the axis, standard deviation
    grain: float = 0.1  # strength of the texture
    blur: float = 0.7  # out-of-focus blur, standard deviation
    light: float = 0.97  # brightness of the undyed chromosome, 0 to 1


def draw_chromosome(traits: ChromosomeTraits, rng: np.random.Generator) -> np.ndarray:
    """Draw one chromosome, uint8 gray, shape (H, W), dark on exact white, cut tightly, the short arm up.

    All that the traits leave open comes from ``rng``.
    """
    points, headings = _axis(traits)
    low = np.floor(points.min(0) - traits.width)
    high = np.ceil(points.max(0) + traits.width)
    along, aside = _coordinates(points - low, headings, (high - low).astype(int) + 1)
    cover = _cover(traits, along, aside, rng)
    dye = _dye(traits, along, aside, rng)
    body = traits.light - traits.stain * np.clip(dye, 0.0, 1.1)
    image = cv2.GaussianBlur(1.0 - cover * (1.0 - body), (0, 0), traits.blur)
    # Programs that cut chromosomes out sharpen them.
    image += 0.7 * (image - cv2.GaussianBlur(image, (0, 0), 2.0))
    # Film and camera do not reach black at once.
    image = np.where(image < _TOE, _TOE * np.exp(np.minimum(image / _TOE - 1.0, 0.0)), image)
    gray = np.clip(255.0 * image + rng.normal(0.0, 3.0, image.shape).astype(np.float32), 0.0, 255.0)
    inside = (cover > 0.05) & (gray < _EDGE) | (cover > 0.9)
    x, y, width, height = cv2.boundingRect(inside.astype(np.uint8))
    cut_out = np.where(inside, np.minimum(gray, _EDGE), WHITE).astype(np.uint8)
    return cut_out[y : y + height, x : x + width]


def _axis(traits: ChromosomeTraits) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (n, 2) of the axis as x and y, from the short arm's end, and its headings (n,); 0 is down."""
    place = (np.arange(max(round(traits.length), 2)) + 0.5) / max(round(traits.length), 2)
    heading = traits.bow * (place - 0.5) + traits.kink / (1.0 + np.exp((traits.knee - place) / 0.035))
    steps = np.column_stack([-np.sin(heading), np.cos(heading)])
    # Upright means: from end to end; with a kink, halfway between that and the longer side of the knee.
    chord = steps.sum(axis=0)
    upright = np.arctan2(-chord[0], chord[1])
    if traits.kink:
        upright = 0.5 * (upright + float(np.median(heading)))
    heading = heading - upright + traits.tilt
    steps = np.column_stack([-np.sin(heading), np.cos(heading)]) * (traits.length / len(place))
    return np.cumsum(steps, axis=0) - 0.5 * steps, heading


def _coordinates(points: np.ndarray, headings: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of each pixel how far along the axis it lies and how far aside of it (left is negative), in pixels."""
    width, height = size
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2) + 0.5
    nearest = scipy.spatial.cKDTree(points).query(pixels)[1]
    offset = pixels - points[nearest]
    sine = np.sin(headings[nearest])
    cosine = np.cos(headings[nearest])
    step = np.hypot(*(points[1] - points[0]))
    along = (nearest + 0.5) * step + offset[:, 1] * cosine - offset[:, 0] * sine
    aside = offset[:, 0] * cosine + offset[:, 1] * sine
    return along.reshape(height, width).astype(np.float32), aside.reshape(height, width).astype(np.float32)


def _half_width(traits: ChromosomeTraits, along: np.ndarray) -> np.ndarray:
    """Return half the width at places along the axis: a waist at the centromere, thin stalks, ends that part."""
    arms = IDEOGRAM[traits.label]
    half = 0.5 * traits.width
    centromere = arms.short_arm * traits.length
    waist = traits.waist * np.exp(-(((along - centromere) / (0.13 * traits.width + 1.2)) ** 2))
    to_end = np.clip(np.minimum(along, traits.length - along), 0.0, None)
    width = half * (1.0 - waist) * (1.0 + 0.3 * traits.splay * np.exp(-to_end / (0.6 * traits.width)))
    if traits.label in ACROCENTRIC:
        short = 0.5 - 0.5 * np.tanh((along - centromere) / 1.6)
        stalk = next(band for band in BANDS[traits.label] if band.dye <= LIGHT)
        middle = 0.5 * (stalk.start + stalk.end) / arms.length_mb * traits.length
        width = (width + short * (0.62 * half - width)) * (1.0 - 0.3 * np.exp(-(((along - middle) / 1.6) ** 2)))
    return np.asarray(width)


def _cover(traits: ChromosomeTraits, along: np.ndarray, aside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return how much of each pixel the chromosome covers, 0 to 1: round ends, and a notch between the chromatids."""
    half = _half_width(traits, along) + 0.25 * _noise(along.shape, 4.0, rng)
    across = np.clip(np.abs(aside) / half, 0.0, 1.0)
    one = 0.55 * half * (1.0 - np.sqrt(1.0 - across**2))
    two = 0.6 * half * (1.0 - np.sqrt(np.clip(1.0 - (2.0 * across - 1.0) ** 2, 0.0, 1.0)))
    to_end = np.minimum(along, traits.length - along)
    ends = to_end - (one + np.clip(2.0 * traits.splay, 0.0, 1.0) * (two - one))
    gap = 0.35 * traits.splay * half * np.exp(-np.clip(to_end, 0.0, None) / (0.35 * traits.width)) - 0.4
    sides = np.minimum(half - np.abs(aside), np.abs(aside) - gap + 0.5)
    return np.asarray(np.clip(np.minimum(sides, ends) + 0.5, 0.0, 1.0))


def _dye(traits: ChromosomeTraits, along: np.ndarray, aside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the dye of each pixel, about 0 to 1: the bands on either chromatid, the groove, the texture."""
    bands = _bands(traits, rng)
    half = _half_width(traits, along)
    across = np.clip(aside / half, -1.2, 1.2)
    # Bands are no straight lines, and the two chromatids lie a little apart.
    shift = rng.normal(0.0, 0.4) * np.sign(aside) + rng.normal(0.0, 0.6) * across + 0.8 * _noise(along.shape, 4.5, rng)
    dye = np.interp((along + shift) * _SAMPLES, np.arange(len(bands)), bands).astype(np.float32)
    # Dark bands are two dots rather than a bar, and the outline is a little darker than what it holds.
    lateral = 0.88 + 0.24 * np.exp(-(((np.abs(across) - 0.55) / 0.28) ** 2))
    rim = 0.2 * np.exp(-(((half - np.abs(aside) - 1.2) / 1.0) ** 2))
    groove = traits.groove * (0.5 if traits.label == "Y" else 1.0) * np.exp(-((across / 0.22) ** 2))
    texture = _noise(along.shape, 2.0, rng) + 0.9 * _noise(along.shape, 4.0, rng)
    return np.asarray(dye * lateral * (1.0 - groove) + rim + 0.8 * traits.grain * texture)


def _bands(traits: ChromosomeTraits, rng: np.random.Generator) -> np.ndarray:
    """Return the dye along the axis, `_SAMPLES` per pixel of length."""
    arms = IDEOGRAM[traits.label]
    count = round(traits.length * _SAMPLES)
    place = (np.arange(count) + 0.5) / count
    knots = rng.normal(0.0, _STRETCH, 6)
    place = place + np.interp(place, np.linspace(0.0, 1.0, 8), [0.0, *knots, 0.0])
    position = place * arms.length_mb
    dye = np.full(count, LIGHT) + rng.normal(0.0, 0.02)
    for band in BANDS[traits.label]:
        dye[(position >= band.start) & (position < band.end)] = band.dye * (1.0 + rng.normal(0.0, traits.jitter))
    centromere = np.abs(place - arms.short_arm) * traits.length < 0.8
    dye[centromere] = np.maximum(dye[centromere], _CENTROMERE_DYE)
    return np.asarray(cv2.GaussianBlur(dye[None], (0, 0), traits.smear * _SAMPLES, borderType=cv2.BORDER_REPLICATE)[0])


def _noise(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise, float32, mean about 0 and standard deviation about 1; ``grain`` is its scale in pixels."""
    height, width = shape
    knots = rng.standard_normal((int(height / grain) + 2, int(width / grain) + 2), dtype=np.float32)
    return cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(1.25)
