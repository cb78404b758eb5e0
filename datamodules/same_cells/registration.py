"""Registration of two pictures by an affine map, and whether the overlap of their outlines shows the same cell."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

# Of the nearest pairs of a leukaemic and a healthy cell of C-NMC, which are never one cell, none reaches it
# (docs/results/same_cells.md).
INSIDE = 0.90
_OUTLINE = 0.70  # least overlap of both outlines: a cell may have been cut out otherwise
_SCALES = (0.87, 1.15)  # of a picture that may still be of the same cell, along any direction
_PROMISING = 0.60  # correlation of the coarse textures below which the fine ones are not compared
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)


@dataclass(frozen=True)
class Match:
    """How the second of two pictures is mapped onto the first, and how well both agree."""

    turn: float  # degrees, -180 to 180
    scales: tuple[float, float]  # the largest and the smallest over all directions; 1: as large
    mirrored: bool
    outline: float  # overlap of both outlines: intersection over union, 0 to 1
    inside: float  # correlation of the textures inside both outlines, -1 to 1

    @property
    def fits(self) -> bool:
        """Whether the outlines and the sizes may be those of one cell."""
        least, most = _SCALES
        return self.outline >= _OUTLINE and least <= self.scales[1] and self.scales[0] <= most

    @property
    def is_same(self) -> bool:
        """Whether both pictures show the same cell."""
        return self.fits and self.inside >= INSIDE


@dataclass(frozen=True)
class Layer:
    """A level of an image pyramid: float32 values and the mask of the cell, bool, both of shape (S, S)."""

    values: np.ndarray
    content: np.ndarray

    @property
    def filled(self) -> np.ndarray:
        """The values with their mean as the background, so that the outline alone does not decide."""
        mean = self.values[self.content].mean()
        return np.where(self.content, self.values, mean).astype(np.float32)


def texture(values: np.ndarray, content: np.ndarray, fine: float, coarse: float) -> np.ndarray:
    """Return the difference of two Gaussian blurs, of sigmas ``fine`` and ``coarse`` (pixels), within the mask."""
    inside = content.astype(np.float32)
    blurred = []
    for sigma in (fine, coarse):
        weight = np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma), 1e-3)
        blurred.append(cv2.GaussianBlur(values * inside, (0, 0), sigma) / weight)
    return np.asarray((blurred[0] - blurred[1]) * inside, np.float32)


def start_of(turn: float, mirrored: bool, side: int) -> np.ndarray:
    """Return the map (2, 3) from a pixel of the first picture to one of the second, rotated about the centre."""
    angle = np.deg2rad(turn)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirrored:
        linear = linear @ np.diag([1.0, -1.0])
    middle = np.full(2, (side - 1) / 2)
    return np.column_stack([linear, middle - linear @ middle]).astype(np.float32)


def finer(onto: np.ndarray) -> np.ndarray:
    """Return the map between two pictures of half the resolution for those of the whole."""
    linear, shift = onto[:, :2], onto[:, 2]
    half = np.full(2, 0.5)
    return np.column_stack([linear, 2 * shift + half - linear @ half]).astype(np.float32)


def register(
    one: tuple[Layer, Layer], other: tuple[Layer, Layer], turn: float, mirrored: bool
) -> tuple[Match, np.ndarray] | None:
    """Register the second picture to the first, from an initial rotation: the coarse layers, then the fine ones.

    The affine map that correlates both best is found by ECC (Evangelidis and Psarakis, Parametric image alignment using
    enhanced correlation coefficient maximization, IEEE PAMI, 2008).

    Returns:
        The match, and the map (2, 3) between the fine layers; None where the maps of no layer converge.
    """
    start = start_of(turn, mirrored, len(one[0].values))
    coarse = _lay(one[0], other[0], start, mirrored, (1.0, 6.0))
    if coarse is None or not coarse[0].fits or coarse[0].inside < _PROMISING:
        return coarse
    return _lay(one[1], other[1], finer(coarse[1]), mirrored, (1.0, 6.0)) or coarse


def _lay(
    one: Layer, other: Layer, start: np.ndarray, mirrored: bool, sigmas: tuple[float, float]
) -> tuple[Match, np.ndarray] | None:
    side = len(one.values)
    smoothed = 3 if side < 100 else 5  # pixels
    onto = start.copy()
    empty: Any = None  # no mask of the first picture
    try:
        cv2.findTransformECC(one.filled, other.filled, onto, cv2.MOTION_AFFINE, _STEPS, empty, smoothed)
    except cv2.error:  # it did not converge
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    covered = cv2.warpAffine(other.content.astype(np.float32), onto, (side, side), flags=flags) > 0.99
    values = cv2.warpAffine(other.filled, onto, (side, side), flags=flags)
    both = one.content & covered
    rim = max(3, side // 23)  # the outlines were drawn anew: what lies along them says little
    inside = cv2.erode(both.astype(np.uint8), np.ones((rim, rim), np.uint8)) > 0
    textures = [texture(each, inside, *sigmas)[inside] for each in (one.values, values)]
    scales = np.linalg.svd(onto[:, :2], compute_uv=False)
    turn = float(np.rad2deg(np.arctan2(onto[1, 0], onto[0, 0])))
    overlap = float(both.sum() / max((one.content | covered).sum(), 1))
    return Match(turn, (float(scales[0]), float(scales[1])), mirrored, overlap, _correlation(*textures)), onto


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two arrays; 0 where there is too little of them."""
    if len(one) < 100 or one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
