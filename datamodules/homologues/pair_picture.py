"""A picture of two homologues side by side: straightened, aligned, with the place of a rearrangement marked."""

import cv2
import numpy as np

SCALE = 3  # pixels of the picture per pixel of the images
SIDE = 8  # width of the coloured columns, pixels of the images
GAP = 4  # between the parts, pixels of the images
SHIFT = 0.2  # of the longer one's length: by so much are they moved along each other at most
COLOUR = np.array([213, 94, 0])  # RGB of a place that is surely changed
CENTROMERE = (0, 114, 178)  # RGB
TRUTH = np.array([0, 114, 178])  # RGB of a place that is truly changed
PALE = np.array([232, 236, 241])  # RGB of the other places of a chromosome
GROUND = 0.02  # gray value up to which a pixel is ground


def draw_pair(image: np.ndarray, length: np.ndarray, place: np.ndarray, short_arm: float) -> np.ndarray:
    """Draw both homologues, dark on white.

    The columns on the outside are coloured by the probability that a place is changed, or lacks in the other homologue;
    a line marks the most probable one of each. Short lines on the inside mark the mean position of the centromere.

    Args:
        image: Both chromosomes, float in [0, 1], shape (2, H, W).
        length: Rows that each covers in the middle of its image, shape (2,).
        place: Probability by rows of equal height, shape (2, T).
        short_arm: Share of the short arm in the length.

    Returns:
        uint8 RGB, of as many rows as both chromosomes need.
    """
    shift = alignment(image, length) * SCALE
    margin = abs(shift) + GAP * SCALE
    left = _side(image[0], float(length[0]), place[0], short_arm)
    # The right one is drawn as a left one in a mirror.
    right = _side(image[1, :, ::-1], float(length[1]), place[1], short_arm)[:, ::-1]
    sides = [np.pad(side, ((margin, margin), (0, 0), (0, 0)), constant_values=255) for side in (left, right)]
    picture = np.concatenate([sides[0], np.roll(sides[1], shift, axis=0)], axis=1)
    covered = np.flatnonzero((picture < 255).any(axis=(1, 2)))
    return picture[covered[0] : covered[-1] + 1] if len(covered) else picture


def alignment(image: np.ndarray, length: np.ndarray) -> int:
    """Return by how many rows the second chromosome is moved down, so that the bands of both agree best.

    Arguments are those of ``draw_pair``.
    """
    height = image.shape[1]
    rows = np.arange(height) + 0.5
    profiles = []
    for pixels, covered in zip(image, length, strict=True):
        profile = pixels.mean(axis=1)
        inside = np.abs(rows - height / 2) <= covered / 2
        profiles.append(np.where(inside, profile - profile[inside].mean(), 0.0) if inside.any() else 0 * profile)
    most = round(SHIFT * float(length.max()))
    agreement = np.correlate(profiles[0], profiles[1], mode="full")[height - 1 - most : height + most]
    return int(agreement.argmax()) - most


def _side(pixels: np.ndarray, length: float, place: np.ndarray, short_arm: float) -> np.ndarray:
    """Draw one homologue with its coloured column on the left, uint8, shape (SCALE * H, width, 3)."""
    height = len(pixels)
    rows = np.arange(height) + 0.5
    top = (height - length) / 2
    probability = np.repeat(place, height // len(place)) * (np.abs(rows - height / 2) <= length / 2)
    colours = np.repeat(255 - probability[:, None, None] * (255 - COLOUR), SIDE, axis=1)
    gap = np.full((height, GAP, 3), 255.0)
    side = np.concatenate([colours, gap, _dark(pixels), gap], axis=1)
    large = _enlarged(side)
    inner = large.shape[1] - GAP * SCALE
    hottest = round(SCALE * float(rows[probability == probability.max()].mean()))
    cv2.line(large, (0, hottest), (inner, hottest), COLOUR.tolist(), 1)
    centromere = round(SCALE * (top + short_arm * length))
    cv2.line(large, (inner, centromere), (large.shape[1] - 1, centromere), CENTROMERE, 2)
    return large


def draw_comparison(image: np.ndarray, aligned: np.ndarray, truth: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Draw two homologues, dark on white, and between them the second one aligned to the first.

    The column on the left of each is coloured where it is truly changed, or has what the other one lacks; that on the
    right by the probability of this.

    Args:
        image: Both chromosomes, float in [0, 1], shape (2, H, W).
        aligned: The second one with its rows where the bands of the first are, likewise, shape (H, W).
        truth: 1 where they truly differ, by rows of equal height, shape (2, T).
        place: The probability of it, likewise.

    Returns:
        uint8 RGB, of as many rows as both chromosomes need.
    """
    gap = np.full((image.shape[1], GAP, 3), 255.0)
    sides = []
    for pixels, true, found in zip(image, truth, place, strict=True):
        parts = [_column(true, pixels, TRUTH), gap, _dark(pixels), gap, _column(found, pixels, COLOUR)]
        sides.append(np.concatenate(parts, axis=1))
    picture = np.concatenate([sides[0], gap, gap, _dark(aligned), gap, gap, sides[1]], axis=1)
    covered = np.flatnonzero((image > GROUND).any(axis=(0, 2)))
    if len(covered):
        picture = picture[max(covered[0] - GAP, 0) : covered[-1] + 1 + GAP]
    return _enlarged(picture)


def _column(place: np.ndarray, pixels: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Return a column coloured by ``place`` (T,) in the rows of a chromosome (H, W), pale in its other rows."""
    rows = np.repeat(place, len(pixels) // len(place))[:, None, None]
    colours = np.repeat(PALE - rows * (PALE - colour), SIDE, axis=1)
    inside = pixels.max(axis=1, keepdims=True) > GROUND
    return np.where(inside[..., None], colours, 255.0)


def _dark(pixels: np.ndarray) -> np.ndarray:
    """Return a chromosome, in [0, 1] on black, dark on white, float, shape (H, W, 3)."""
    return np.repeat(255 - 255 * pixels[..., None], 3, axis=2)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    return np.asarray(
        cv2.resize(picture.round().astype(np.uint8), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
    )
