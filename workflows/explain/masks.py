"""The place of the abnormality of a composed karyogram, as a mask on the network's input."""

from typing import NamedTuple

import cv2
import numpy as np

from common.config.data import PrepareConfig
from common.config.schema import Config
from common.errors import UserError
from datamodules.io.decode import content, read_image
from datamodules.manifest.manifest import Manifest
from datamodules.preprocessing.background import on_black
from datamodules.preprocessing.pipeline import pad_to_square, resize
from datamodules.synthesis.karyogram_writer import read_karyograms
from datamodules.synthesis.metaphase import GROUND

COMPOSED = "composed_karyograms"


class AbnormalityMask(NamedTuple):
    """The place of the abnormality, which may be empty, and all chromosomes with it: bool, shape (H, W) as prepared."""

    place: np.ndarray
    chromosomes: np.ndarray


class AbnormalityMasks:
    """The masks of a run's abnormal karyograms, by row of the manifest; ``row in masks`` where one exists.

    Args:
        manifest: The run's images, copies included.
        config: The run's configuration.

    Raises:
        UserError: The images are not composed karyograms.
    """

    def __init__(self, manifest: Manifest, config: Config) -> None:
        if manifest.places is None or config.data.source != COMPOSED:
            message = f"data.source={config.data.source}: the place of the abnormality is known of {COMPOSED} alone"
            raise UserError(message)
        self._manifest = manifest
        self._prepare = config.prepare
        table = read_karyograms(manifest.root)
        self._files: dict[str, str] = table[table["truth"] != ""].set_index("path")["truth"].to_dict()
        boxes = dict(list(manifest.places.groupby("image_id")))
        # By path, which a copy shares with its original.
        self._boxes = {path: boxes[name] for name, path in zip(table["image_id"], table["path"], strict=True)}

    def __contains__(self, row: int) -> bool:
        return self._manifest.frame["path"].iloc[row] in self._files

    def __getitem__(self, row: int) -> AbnormalityMask:
        """Return the masks of an abnormal karyogram."""
        frame = self._manifest.frame.iloc[row]
        image = read_image(self._manifest.file(row))
        place = read_image(self._manifest.root / self._files[frame["path"]])[..., 0]
        chromosomes = place.copy()
        for box in self._boxes[frame["path"]].itertuples():
            inside = np.s_[box.y : box.y + box.height, box.x : box.x + box.width]
            chromosomes[inside] |= (image[inside][..., 0] < GROUND).astype(np.uint8) * 255
        masks = [prepare_mask(mask, image, self._prepare) for mask in (place, chromosomes)]
        return AbnormalityMask(*masks)


def prepare_mask(mask: np.ndarray, image: np.ndarray, config: PrepareConfig) -> np.ndarray:
    """Transform a mask (uint8, shape (H, W)) like ``prepare_image`` and ``to_shape`` transform its image (H, W, 3).

    Returns:
        bool, of the height and width of ``config.shape``: the nearest pixels of the mask or, where that leaves nothing
        of a thin mark, every pixel that the mark touches.

    Raises:
        UserError: ``config`` puts single chromosomes on a canvas.
    """
    if config.fit == "canvas":
        raise UserError("prepare.fit=canvas turns single chromosomes: their masks cannot be transformed")
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
