"""The deterministic preparation of an image: crop, CLAHE, pad, resize (paper 004, section 3.1), or a canvas.

An image is stored at `PrepareConfig.stored_shape` and augmented there; `to_shape` makes it what the network sees.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from datamodules.io.decode import border, crop_to_content
from datamodules.io.resize import resize
from karyocyte.common.installed import entries
from karyocyte.config.data import PrepareConfig

PREPARE_VERSION = 2  # raise it when the same image and settings would come out differently: old caches are then unused


def prepare_image(image: np.ndarray, config: PrepareConfig, scale: float = 1.0) -> np.ndarray:
    """Crop, enhance, pad and resize one image, in this order; or lay a chromosome on a canvas.

    CLAHE comes after the crop and before the padding: it lifts black to a dark gray, so before the crop it would hide
    the border of the cell, and after the padding it would colour the padding. ``fit: stretch`` does without padding:
    the aspect ratio is not kept (paper 001, section 3.1.2).

    Args:
        image: uint8 RGB, shape (H, W, 3).
        config: The settings.
        scale: Of `image_scales`, for ``fit: canvas`` alone.

    Returns:
        uint8 RGB, of the shape ``config.stored_shape``.

    Raises:
        TooLargeError: A chromosome is larger than the canvas.
    """
    for _, changed in steps_before_resize(image, config):
        image = changed
    if config.fit == "canvas":
        laid: np.ndarray = entries("fits")["canvas"].load().lay_on_canvas(image, config, scale)
        return laid
    return resize(image, config.stored_shape)


def steps_before_resize(image: np.ndarray, config: PrepareConfig) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the result, uint8 RGB, of each step of the preparation but the last, resize or canvas."""
    ground: np.ndarray | int = 0
    if config.background == "border":
        # Before the crop cuts it off: the median colour of the border, black of a segmented cell.
        ground = np.median(border(image), axis=0).astype(np.uint8)
    if config.background == "detect":
        from datamodules.preprocessing.background import on_black

        image = on_black(image)
        yield "on black", image
    if config.fit == "canvas":
        return
    if config.crop:
        image = crop_to_content(image, config.crop_threshold)
        yield "cropped", image
    if config.clahe:
        image = equalize_luma(image, config.clahe_clip_limit, config.clahe_tiles)
        yield "CLAHE", image
    if config.fit == "square":
        image = pad_to_square(image, ground)
        yield "padded to a square", image


def image_scales(images: Sequence[np.ndarray], cells: np.ndarray, config: PrepareConfig) -> list[float]:
    """Return by how much each image is scaled on a canvas; 1 without one, nan: as the width of the chromosome says.

    ``images`` (H, W, 3) are all of a cell where one scale fits all of them; ``cells`` are None where they are not
    known.

    Raises:
        UserError: The cell must be known, and is not.
    """
    if config.fit != "canvas":
        return [1.0] * len(images)
    factors: list[float] = entries("fits")["canvas"].load().image_scales(images, cells, config).tolist()
    return factors


def to_shape(image: np.ndarray, config: PrepareConfig) -> np.ndarray:
    """Return an image of ``config.stored_shape``, which may be augmented, at the network's ``config.shape``."""
    if config.augment_at is None:
        return image
    return resize(image, config.shape)


def prepare_single(image: np.ndarray, config: PrepareConfig) -> np.ndarray:
    """Prepare one image (uint8 RGB, shape (H, W, 3)), independently of all others, up to the network's input.

    Its cell is not known: where the preparation ``scales_by_cell``, the width of the chromosome gives the scale.

    Raises:
        TooLargeError: A chromosome is larger than the canvas.
    """
    config = config.for_single_images()
    (scale,) = image_scales([image], np.array([None]), config)
    return to_shape(prepare_image(image, config, scale), config)


def equalize_luma(image: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    """Equalise contrast locally (CLAHE) on the Y channel of YUV; the colours U and V stay (paper 004, section 3.1).

    The image is uint8 RGB, shape (H, W, 3); a larger clip limit is stronger; there are so many tiles per side.
    """
    yuv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2YUV)
    yuv[..., 0] = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(yuv[..., 0])
    return cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB)


def pad_to_square(image: np.ndarray, ground: np.ndarray | int = 0) -> np.ndarray:
    """Pad the shorter side of an image (H, W, 3) or a mask (H, W), uint8, with black (paper 004, section 3.1).

    It is in the middle; of an odd number of padded rows or columns one more is below or on the right. ``ground`` is
    another colour, shape (3,), or gray value.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    top = (side - height) // 2
    left = (side - width) // 2
    colour = np.broadcast_to(ground, 3).tolist()
    padding = (top, side - height - top, left, side - width - left)
    return np.asarray(cv2.copyMakeBorder(image, *padding, cv2.BORDER_CONSTANT, value=colour))
