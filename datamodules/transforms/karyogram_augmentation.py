"""Random changes of the single chromosomes of a karyogram, each at its own place (paper 001, 5.3: its future work).

Turning or mirroring the whole sheet would destroy what it says: which chromosome stands where (paper 001, 3.1.2). The
single chromosomes lay on the slide at any angle, bent, and either side up, and were set upright by hand: changing them
a little within their places keeps the label valid.
"""

import math

import cv2
import numpy as np

from common.config.data import WithinPlacesConfig
from common.errors import UserError
from datamodules.io.decode import border
from datamodules.manifest.manifest import Manifest

# Gray values by which a chromosome differs from its ground: it decides how far one may be turned, nothing else.
_TOLERANCE = 24
# With a change that it would leave its place by, a chromosome is changed less, and at last not at all.
_SHARES = (1.0, 0.75, 0.5, 0.25)
_LEAST = 4  # pixels: in a smaller place there is nothing to turn


def place_boxes(manifest: Manifest, shape: tuple[int, int]) -> dict[int, np.ndarray]:
    """Return where the chromosomes of each karyogram lie once it is resized to ``shape``, aspect ratio not kept.

    Returns:
        Manifest row -> int64, shape (chromosomes, 4): x, y, width, height in pixels of the resized image. A box is
        rounded inwards, so that nothing beside it comes in.

    Raises:
        UserError: The places are not known.
    """
    if manifest.places is None:
        raise UserError(
            f"transform.within_places: data.source={manifest.source} does not say where each chromosome lies: "
            "use data=composed_karyograms, or transform=karyograms"
        )
    columns = ["x", "y", "width", "height"]
    places = {name: rows[columns].to_numpy(np.float64) for name, rows in manifest.places.groupby("image_id")}
    frame = manifest.frame
    boxes = {}
    for row, (name, width, height) in enumerate(zip(frame["image_id"], frame["width"], frame["height"], strict=True)):
        if name not in places:
            raise UserError(f"transform.within_places: the places of the chromosomes of {name} are not known")
        scale = np.array([shape[1] / width, shape[0] / height])
        # Tolerance for the rounding of 3 * (1 / 3).
        first = np.ceil(places[name][:, :2] * scale - 1e-6)
        end = np.floor((places[name][:, :2] + places[name][:, 2:]) * scale + 1e-6)
        boxes[row] = np.concatenate([first, np.maximum(0, end - first)], axis=1).astype(np.int64)
    return boxes


def is_on(config: WithinPlacesConfig) -> bool:
    """Tell whether anything is to be changed."""
    return bool(config.rotate or config.mirror or config.bend)


def change_within(
    image: np.ndarray, boxes: np.ndarray, config: WithinPlacesConfig, rng: np.random.Generator
) -> np.ndarray:
    """Turn, mirror and bend each chromosome at its place; return a new image that is the same outside the boxes.

    A chromosome never leaves its place and is never cut off: it is moved within it, and where that does not help, the
    drawn angle and bow are taken to 3/4, 1/2, 1/4 or nothing, until it fits.

    Args:
        image: uint8 RGB, shape (H, W, 3).
        boxes: Its places, int64, shape (n, 4): x, y, width, height.
        config: ``rotate`` (degrees, either way), ``mirror`` (with probability 1/2), ``bend`` (bow of up to this share
            of its length, either way).
        rng: Source of the draws.
    """
    count = len(boxes)
    turns, bows = rng.uniform(-1.0, 1.0, (2, count)) * np.array([[math.radians(config.rotate)], [config.bend]])
    mirrored = (rng.random(count) < 0.5) & config.mirror
    changed = np.ascontiguousarray(image).copy()
    # Without the specks of salt and pepper, which are not where a chromosome ends.
    calm = cv2.medianBlur(cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY), 3)
    for (x, y, width, height), turn, bow, mirror in zip(boxes.tolist(), turns, bows, mirrored, strict=True):
        if min(width, height) >= _LEAST:
            place = slice(y, y + height), slice(x, x + width)
            changed[place] = _changed(changed[place], calm[place], float(turn), float(bow), bool(mirror))
    return changed


def _changed(patch: np.ndarray, calm: np.ndarray, turn: float, bow: float, mirror: bool) -> np.ndarray:
    """One place with its chromosome changed; the place as it is where nothing is to be done, or it is empty."""
    outline = _outline(calm)
    if outline is None:
        return patch
    low = outline.min(axis=0)
    high = outline.max(axis=0)
    center = (low + high) / 2
    length = float(high[1] - low[1] + 1)
    points = (outline - center) * (-1.0 if mirror else 1.0, 1.0)
    room = np.array([patch.shape[1] - 1, patch.shape[0] - 1])
    turn, bow, shift = _fitting(points, center, room, turn, bow, length)
    if not (turn or bow or mirror):
        return patch
    # Where each pixel of the changed place comes from: the way back of `_moved`.
    x = np.arange(patch.shape[1]) - (center[0] + shift[0])
    y = (np.arange(patch.shape[0]) - (center[1] + shift[1]))[:, None]
    cosine = math.cos(turn)
    sine = math.sin(turn)
    from_x = cosine * x + sine * y
    from_y = cosine * y - sine * x
    from_x = from_x - bow * length * (1.0 - (2.0 * from_y / length) ** 2)
    if mirror:
        from_x = -from_x
    maps = (from_x + center[0]).astype(np.float32), (from_y + center[1]).astype(np.float32)
    edge = np.sort(border(patch), axis=0)
    ground = edge[len(edge) // 2]
    return cv2.remap(patch, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=ground.tolist())


def _fitting(
    points: np.ndarray, center: np.ndarray, room: np.ndarray, turn: float, bow: float, length: float
) -> tuple[float, float, np.ndarray]:
    """The largest share of turn and bow with which the chromosome fits in its place, and by how much it is moved."""
    for share in _SHARES:
        moved = _moved(points, share * turn, share * bow, length) + center
        low = moved.min(axis=0)
        high = moved.max(axis=0)
        if (high - low <= room).all():
            return share * turn, share * bow, np.clip(0.0, -low, room - high)
    return 0.0, 0.0, np.zeros(2)


def _moved(points: np.ndarray, turn: float, bow: float, length: float) -> np.ndarray:
    """Bend and turn points (N, 2) around (0, 0); the bow's middle moves, its ends stay."""
    y = points[:, 1]
    x = points[:, 0] + bow * length * (1.0 - (2.0 * y / length) ** 2)
    cosine = math.cos(turn)
    sine = math.sin(turn)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1)


def _outline(calm: np.ndarray) -> np.ndarray | None:
    """The first and the last inked pixel (x, y) of each row of a place, float64, shape (N, 2); None without ink."""
    edge = border(calm)
    ground = int(np.sort(edge)[len(edge) // 2])
    ink = cv2.absdiff(calm, np.full_like(calm, ground)) > _TOLERANCE
    rows = np.flatnonzero(ink.any(axis=1))
    if rows.size == 0:
        return None
    ink = ink[rows]
    first = ink.argmax(axis=1)
    last = ink.shape[1] - 1 - ink[:, ::-1].argmax(axis=1)
    return np.stack([np.concatenate([first, last]), np.concatenate([rows, rows])], axis=1).astype(np.float64)
