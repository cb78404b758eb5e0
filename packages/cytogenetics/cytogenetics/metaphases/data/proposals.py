"""Boxes that may be chromosomes, each as an image of itself and what is around it: what a refiner is trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import Dataset

from cytogenetics.config.networks import REFINED_SIDE as SIDE
from cytogenetics.config.networks import RefinerConfig
from cytogenetics.images.boxes import overlaps
from cytogenetics.metaphases.data.augmentation import changes_of_light
from cytogenetics.metaphases.data.cut_out import network_picture
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule, PictureSet
from cytogenetics.metaphases.networks.refiner import UNIT
from datamodules.io.decode import read_image
from karyocyte.common.seeds import derive_seed
from karyocyte.config.data import TransformConfig
from karyocyte.runs.run import Run

AROUND = 1.5  # side of what an image shows, times the longer side of its box
SMALLEST = 0.35 * AROUND  # that side at least, times the median of the longer sides of the picture's boxes
OTHER = 85  # gray value of the channel of other boxes; where these overlap it adds up
RIGHT = 0.5  # intersection over union with a true box, from which on a proposal may be its
# Proposals of a picture in training: those that the detectors find, or the true boxes, less exactly.
FOUND_NOISE, FOUND_WRONG = 0.03, 0.12  # standard deviation of sides, of the box; share of wrong boxes that are added
DRAWN_NOISE, DRAWN_WRONG, DRAWN_LOST = 0.07, 0.25, 0.03
EASY = 0.4  # share of those that are trained on which overlap no other one and are right

Proposed = tuple[np.ndarray, np.ndarray]  # boxes, float32, shape (n, 4), in pixels of a picture, and their scores, (n,)


@dataclass(frozen=True, eq=False)
class ProposalImages:
    """Boxes of a picture as images."""

    # uint8, shape (n, 3, SIDE, SIDE): the picture, bright on black, the box, and the other boxes
    images: np.ndarray
    sides: np.ndarray  # of what the images show, pixels of the picture, float32, shape (n,)
    sizes: np.ndarray  # logarithm of the longer side of the box over the median of all, float32, shape (n,)


def proposal_images(picture: np.ndarray, boxes: np.ndarray, rows: np.ndarray) -> ProposalImages:
    """Return some rows of the boxes, float, (n, 4), of a picture, uint8 gray, (H, W), bright on black, as images."""
    images = np.zeros((len(rows), 3, SIDE, SIDE), np.uint8)
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    median = np.median(longer) if len(boxes) else 1.0
    sides = np.maximum(AROUND * longer[rows], SMALLEST * median)
    for row, side, image in zip(rows, sides, images, strict=True):
        scale = SIDE / side  # edges of boxes are taken as middles of pixels, in training and use alike
        shift = SIDE / 2 - scale * (boxes[row, :2] + boxes[row, 2:]) / 2
        place = np.column_stack([np.eye(2) * scale, shift])
        cv2.warpAffine(picture, place, (SIDE, SIDE), dst=image[0])
        corners = np.rint(boxes * scale + np.tile(shift, 2)).astype(int).clip(0, SIDE)
        for number, (left, top, right, bottom) in enumerate(corners.tolist()):
            part = image[1 if number == row else 2, top:bottom, left:right]
            part[:] = 255 if number == row else np.minimum(part, 255 - OTHER) + OTHER
    sizes = np.log(sides / AROUND / median)
    return ProposalImages(images, sides.astype(np.float32), sizes.astype(np.float32))


def aims_of(boxes: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare boxes, shape (n, 4), with the true ones, (m, 4), of which there is one at least.

    Returns:
        Whether no other proposal is nearer to its true box, by RIGHT at least, bool, shape (n,); the largest
        intersection over union with a true box, float64, shape (n,); and that true box, float32, shape (n, 4).
    """
    overlap = overlaps(boxes, true)
    nearest, most = overlap.argmax(axis=1), overlap.max(axis=1)
    best = np.zeros(len(boxes), bool)
    for number in range(len(true)):
        own = np.flatnonzero((nearest == number) & (most >= RIGHT))
        if len(own):
            best[own[most[own].argmax()]] = True
    return best, most, true[nearest]


class ProposalDataModule(MetaphaseDataModule):
    """Boxes that may be chromosomes, each as an image.

    A batch has the proposals of some pictures: {"image": float32 (n, 3, SIDE, SIDE) in [0, 1] and "size": float32
    (n,), see `ProposalImages`; "best": float32 (n,), 0 or 1, and "overlap": float32 (n,), see `aims_of`; "offsets":
    float32 (n, 4), of the sides of the true box, see `moved_boxes`; "box": float32 (n, 4) in pixels of the
    file; "side": float32 (n,); "score": float32 (n,), of the detectors; "index": int64 (n,), manifest row}. In
    training, some proposals are wrong on purpose, and all are moved and turned, anew in every epoch.

    Attributes:
        proposals: What is found in the picture of each manifest row: by all detectors together, then in each of their
            ways; set before it is set up.
    """

    primary = "refiner"
    starts = ("init_from", "detector")
    proposals: Mapping[int, Sequence[Proposed]]
    config: RefinerConfig  # type: ignore[assignment]

    def warnings(self) -> list[str]:
        """Return the warnings of every data module, and one that exported detectors do not list their pictures."""
        lines = super().warnings()
        if not self.config.detector or Run.is_export(Path(self.config.detector)):
            lines.append("exported detectors do not list their training pictures: test on their fold, or on new ones")
        return lines

    def training_set(self) -> Dataset[Any]:
        """Return the proposals of an epoch."""
        return Proposals(self, self.plan.rows, self.config.transform)

    def plain_set(self, rows: np.ndarray) -> Dataset[Any]:
        """Return what all detectors together propose in pictures of some manifest rows."""
        return Proposals(self, rows)


class Proposals(PictureSet):
    """The proposals of pictures of some manifest rows, int64, in training with another ``light``.

    A ``UserError`` says that an operation of ``light`` moves pixels.
    """

    def __init__(self, data: ProposalDataModule, rows: np.ndarray, light: TransformConfig | None = None) -> None:
        super().__init__(data.manifest, rows)
        self.proposals = data.proposals
        self.seed = derive_seed("proposals", data.config.seed)
        self.trains = light is not None
        self.each_epoch = light is None or light.each_epoch
        self.light = changes_of_light(light)

    def of_picture(self, epoch: int, row: int) -> dict[str, Any]:
        """Return the proposals of a picture."""
        picture = network_picture(read_image(self.manifest.file(row)), 1.0)
        true = self.manifest.frame["boxes"].iloc[row]
        boxes, scores = self.proposals[row][0]
        chosen = np.arange(len(boxes))
        seed = derive_seed("picture", self.seed, epoch * self.each_epoch, row)
        rng = np.random.default_rng(seed)
        if self.trains:
            boxes, wrong = training_boxes(self.proposals[row], true, rng)
            chosen = np.flatnonzero(wrong | _instructive(boxes, true) | (rng.random(len(boxes)) < EASY))
            scores = np.zeros(len(boxes), np.float32)
            picture = self.light(seed, picture)["image"]
        shown = proposal_images(picture, boxes, chosen)
        best, overlap, nearest = aims_of(boxes, true)
        offsets = (nearest - boxes)[chosen] / (shown.sides[:, None] * UNIT)
        images = shown.images
        if self.trains:
            for number, turn in enumerate(rng.integers(8, size=len(chosen)).tolist()):
                images[number], offsets[number] = _turned(images[number], offsets[number], turn)
        return {
            "image": images,
            "size": shown.sizes,
            "best": best[chosen].astype(np.float32),
            "overlap": overlap[chosen].astype(np.float32),
            "offsets": offsets.astype(np.float32),
            "box": boxes[chosen].astype(np.float32),
            "side": shown.sides,
            "score": scores[chosen].astype(np.float32),
            "index": np.full(len(chosen), row),
        }


def training_boxes(
    found: Sequence[Proposed], true: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return proposals of a picture, float64, shape (n, 4), and which of them are wrong on purpose, bool, (n,).

    They are the true boxes or those of one way of finding, by chance, with errors.
    """
    noise, wrong = FOUND_NOISE, FOUND_WRONG
    boxes = found[int(rng.integers(len(found)))][0].astype(np.float64)
    if rng.random() < 0.5 or not len(boxes):
        noise, wrong = DRAWN_NOISE, DRAWN_WRONG
        boxes = true[rng.random(len(true)) >= DRAWN_LOST].astype(np.float64)
    extent = boxes[:, 2:] - boxes[:, :2]
    boxes = boxes + rng.normal(0, noise, boxes.shape) * np.tile(extent, 2)
    spoilt = [_wrong_box(boxes, row, rng) for row in np.flatnonzero(rng.random(len(boxes)) < wrong).tolist()]
    # Half of them take the place of the right one.
    kept = np.ones(len(boxes), bool)
    kept[[row for row, _ in spoilt if rng.random() < 0.5]] = False
    added = np.array([box for _, box in spoilt]).reshape(-1, 4)
    boxes = np.concatenate([boxes[kept], added])
    boxes[:, :2] = np.minimum(boxes[:, :2], boxes[:, 2:] - 4)
    return boxes, np.arange(len(boxes)) >= kept.sum()


def _wrong_box(boxes: np.ndarray, row: int, rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """Return the row, and a box that holds a part of its chromosome, is beside it, or goes around a second one."""
    box = boxes[row].copy()
    extent = box[2:] - box[:2]
    match rng.integers(4):
        case 0:  # a part, across
            axis = int(extent[1] > extent[0])
            _cut(box, axis, rng.uniform(0.3, 0.7) * extent[axis], rng)
        case 1:  # beside it
            box += np.tile(rng.uniform(-0.5, 0.5, 2) * extent, 2)
        case 2:  # a corner
            for axis in (0, 1):
                _cut(box, axis, rng.uniform(0.3, 0.65) * extent[axis], rng)
        case _:  # around the nearest one, too
            middles = (boxes[:, :2] + boxes[:, 2:]) / 2
            distance = np.abs(middles - middles[row]).max(axis=1)
            distance[row] = np.inf
            near = boxes[distance.argmin()]
            box = np.concatenate([np.minimum(box[:2], near[:2]), np.maximum(box[2:], near[2:])])
    return row, box


def _cut(box: np.ndarray, axis: int, pixels: float, rng: np.random.Generator) -> None:
    """Take pixels off one of the two sides of a box, by chance."""
    if rng.random() < 0.5:
        box[axis] += pixels
    else:
        box[2 + axis] -= pixels


def _instructive(boxes: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Tell which boxes, shape (n, 4), overlap another one or do not fit well, bool, shape (n,)."""
    among = overlaps(boxes, boxes)
    np.fill_diagonal(among, 0)
    return np.asarray((among.max(axis=1, initial=0) > 0.2) | (overlaps(boxes, true).max(axis=1) < 0.75))


def _turned(image: np.ndarray, offsets: np.ndarray, turn: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image, (3, SIDE, SIDE), and the offsets of its box in one of eight orientations."""
    left, top, right, bottom = offsets
    if turn & 1:
        image, left, right = image[:, :, ::-1], -right, -left
    if turn & 2:
        image, top, bottom = image[:, ::-1], -bottom, -top
    if turn & 4:
        image, left, top, right, bottom = image.transpose(0, 2, 1), top, left, bottom, right
    return image, np.array([left, top, right, bottom])
