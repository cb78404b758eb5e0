"""Composed pictures, of whose chromosomes the masks are known: real layouts, and chromosomes that touch no other."""

from typing import Any

import numpy as np
from torch.utils.data import Dataset

from cytogenetics.metaphases.data.augmentation import changes_of_light
from cytogenetics.metaphases.data.cut_out import crop_boxes, cut_out, network_picture
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule, PictureSet
from cytogenetics.synthesis.metaphase import Chromosome
from cytogenetics.synthesis.metaphase_picture import compose_metaphase
from datamodules.io.decode import read_image
from datamodules.manifest.manifest import Manifest
from karyocyte.common.errors import UserError
from karyocyte.common.seeds import derive_seed
from karyocyte.config.data import TransformConfig

SOURCES = 300  # pictures of a part, at most, that chromosomes are taken from
SMALLEST = 150  # pixels of such a chromosome, at least


class ComposedDataModule(MetaphaseDataModule):
    """Boxes of composed pictures, each as an image; of a part, layouts and chromosomes are those of its pictures.

    A batch has the boxes of some pictures: {"image": float32 (n, 3, SIDE, SIDE) in [0, 1], `BoxCrops`; "mask": uint8
    (n, SIDE, SIDE), 0 or 1; "index": int64 (n,), manifest row of the layout}. In training, the chromosomes are drawn
    anew in every epoch.
    """

    primary = "cutter"

    def training_set(self) -> Dataset[Any]:
        """Return the boxes of composed pictures, whose light changes."""
        return ComposedBoxes(self.manifest, self.plan.rows, self.config.seed, self.config.transform)

    def plain_set(self, rows: np.ndarray) -> Dataset[Any]:
        """Return the boxes of composed pictures with the layouts of some manifest rows."""
        return ComposedBoxes(self.manifest, rows, 0)


class ComposedBoxes(PictureSet):
    """Pictures with the layouts of some manifest rows, int64, composed of chromosomes of these rows.

    Raises:
        UserError: Every box of the rows overlaps another, or an operation of ``light`` moves pixels.
    """

    def __init__(self, manifest: Manifest, rows: np.ndarray, seed: int, light: TransformConfig | None = None) -> None:
        super().__init__(manifest, rows)
        self.seed = derive_seed("composed", seed)
        self.each_epoch = light is None or light.each_epoch
        self.light = changes_of_light(light)
        self.chromosomes = _free_chromosomes(manifest, rows)

    def of_picture(self, epoch: int, row: int) -> dict[str, Any]:
        """Return the boxes of a composed picture, uint8, (n, 3, SIDE, SIDE), and their masks, (n, SIDE, SIDE)."""
        seed = derive_seed("picture", self.seed, epoch * self.each_epoch, row)
        rng = np.random.default_rng(seed)
        layout = np.maximum(self.manifest.frame["boxes"].iloc[row], 0)
        chosen = [self.chromosomes[number] for number in rng.integers(len(self.chromosomes), size=len(layout))]
        composed = compose_metaphase(chosen, rng, boxes=layout)
        picture = network_picture(np.repeat(composed.pixels[..., None], 3, axis=2), 1.0)
        picture = self.light(seed, picture)["image"]
        crops = crop_boxes(picture, np.array([one.box for one in composed.chromosomes]))
        placed = composed.chromosomes
        masks = crops.masks([one.mask for one in placed], [one.corner for one in placed])
        return {"image": crops.images, "mask": masks, "index": np.full(len(masks), row)}


def _free_chromosomes(manifest: Manifest, rows: np.ndarray) -> list[Chromosome]:
    """Cut the chromosomes whose boxes overlap no other out of some of the pictures."""
    chosen = rows[:: max(1, len(rows) // SOURCES)][:SOURCES]
    free = []
    for row in chosen.tolist():
        boxes, name = manifest.frame[["boxes", "image_id"]].iloc[row]
        shared = np.minimum(boxes[:, None, 2:], boxes[:, 2:]) > np.maximum(boxes[:, None, :2], boxes[:, :2])
        alone = boxes[shared.all(axis=2).sum(axis=1) == 1]  # each overlaps itself
        for cut in cut_out(network_picture(read_image(manifest.file(row)), 1.0), alone):
            if cut.mask.sum() >= SMALLEST:
                free.append(Chromosome("", cut.pixels, cut.mask, str(name)))
    if not free:
        raise UserError("every box of these pictures overlaps another: chromosomes that lie alone are needed")
    return free
