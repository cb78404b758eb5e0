"""Where the abnormality of a composed karyogram lies, on the image that the network sees."""

from dataclasses import dataclass

import cv2
import numpy as np

from common.config.schema import Config, PrepareConfig
from common.errors import UserError
from datamodules.io.decode import read_image
from datamodules.manifest.manifest import Manifest
from datamodules.preprocessing.chromosome_canvas import on_black
from datamodules.preprocessing.karyogram_compaction import compact, compact_like
from datamodules.preprocessing.pipeline import content, pad_to_square, resize
from datamodules.synthesis.karyogram_writer import read_karyograms
from datamodules.synthesis.metaphase import GROUND

COMPOSED = "composed_karyograms"


@dataclass(frozen=True, eq=False)
class Truth:
    """Where to look on one karyogram.

    Attributes:
        place: bool, shape (H, W) of the prepared image: where the abnormality is (also an empty place).
        chromosomes: bool, likewise: where any chromosome is, and ``place``.
    """

    place: np.ndarray
    chromosomes: np.ndarray


class Truths:
    """The truth of the karyograms of a run.

    Args:
        manifest: What the run's images are, copies included.
        config: The run's configuration.

    Raises:
        UserError: These are no composed karyograms.
    """

    def __init__(self, manifest: Manifest, config: Config) -> None:
        if manifest.places is None or config.data.source != COMPOSED:
            source = f"data.source={config.data.source}"
            raise UserError(f"{source}: where the abnormality lies is known of composed karyograms alone")
        self._manifest = manifest
        self._prepare = config.prepare
        table = read_karyograms(manifest.root)
        self._files = {path: truth for path, truth in zip(table["path"], table["truth"], strict=True) if truth}
        self._boxes = dict(list(manifest.places.groupby("image_id")))

    def known(self, row: int) -> bool:
        """Whether the karyogram in a row of the manifest has a place to look at: whether it is abnormal."""
        return self._manifest.frame["path"].iloc[row] in self._files

    def __getitem__(self, row: int) -> Truth:
        """Return the truth of the karyogram in a row of the manifest, one that is ``known``."""
        frame = self._manifest.frame.iloc[row]
        image = read_image(self._manifest.file(row))
        place = read_image(self._manifest.root / self._files[frame["path"]])[..., 0]
        chromosomes = place.copy()
        for box in self._boxes[frame["image_id"]].itertuples():
            inside = np.s_[box.y : box.y + box.height, box.x : box.x + box.width]
            chromosomes[inside] |= (image[inside][..., 0] < GROUND).astype(np.uint8) * 255
        return Truth(*(prepare_mask(mask, image, self._prepare) for mask in (place, chromosomes)))


def prepare_mask(mask: np.ndarray, image: np.ndarray, config: PrepareConfig) -> np.ndarray:
    """Carry what is marked on an image to the image that ``prepare_image`` and ``to_shape`` make of it.

    Args:
        mask: uint8, shape (H, W); 0 where nothing is marked.
        image: uint8 RGB, shape (H, W, 3), as it was before the preparation.
        config: The preparation.

    Returns:
        bool, of the height and width of ``config.shape``; each pixel is the nearest one of the mask, or, where that
        would leave nothing of a mark too thin, every pixel that the mark touches.

    Raises:
        UserError: ``config`` lays single chromosomes on a canvas.
    """
    if config.fit == "canvas":
        raise UserError("prepare.fit=canvas turns single chromosomes: no mask is carried through it")
    if config.compact:
        mask = compact_like(mask, image, config.compact_gap)
        image = compact(image, config.compact_gap)
    if config.background == "detect":
        image = on_black(image)
    if config.crop:
        mask = mask[content(image, config.crop_threshold)]
    if config.fit == "square":
        mask = pad_to_square(mask)
    marked = np.ascontiguousarray(mask > 0, np.float32)
    nearest = cv2.resize(marked, config.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT) > 0
    if nearest.any():
        return nearest
    return resize(marked, config.shape, "area") > 0
