"""The pictures of one cell: each file read once, what is no chromosome told apart, the others at the cell's scale."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import cv2
import numpy as np

from cytogenetics.images.cells import Cell
from cytogenetics.images.chromosome_canvas import scales
from datamodules.inference.image_files import ImageFile
from datamodules.io.decode import BrokenImageError, border, decode_image, read_plain_file
from datamodules.preprocessing.background import on_black, to_gray
from datamodules.preprocessing.pipeline import prepare_image, to_shape
from karyocyte.config.data import PrepareConfig

LOOK = (32, 16)  # pixels of a picture that is compared with others
# What shows no single chromosome, by simple rules: of 28,182 real ones of 613 cells they leave out one, a fragment.
LARGEST_IMAGE = 2_000_000  # pixels; pictures of single chromosomes have some 10,000
BORDER_SHARE = 0.85  # of the border that belongs to the object: a photograph has no ground around it
PARTS = 3  # objects in one picture, as in a metaphase or a karyogram; two occur where a satellite comes off
PART_SHARE = 0.1  # of the area of the largest object: smaller ones are dirt
SMALLEST = 0.1  # of the median area of the cell; chromosome 21 has a third
LARGEST = 4.0  # of the median area of the cell; chromosome 1 has twice as much
FEWEST = 10  # pictures, from which on their median area says what a chromosome measures
SAME = 0.993  # correlation of pictures of the same chromosome; two chromosomes of a real cell reach 0.992


class FileStatus(StrEnum):
    """What becomes of a file."""

    USED = "used"
    BROKEN = "broken"  # it cannot be read
    LEFT_OUT = "left_out"  # it shows no single chromosome
    DUPLICATE = "duplicate"  # another file of the cell has nearly the same picture


@dataclass(frozen=True, eq=False)
class CellFile:
    """A file of a cell as it was read."""

    file: ImageFile  # its name and path
    status: FileStatus  # whether it is used
    cause: str | None = None  # why it is not; None of those used
    sha256: str | None = None  # of its bytes; None where they cannot be read
    pixels: np.ndarray | None = None  # uint8 RGB, shape (H, W, 3), of those used; else None
    area: int = 0  # pixels of the chromosome, of those used
    note: str | None = None  # what was chosen in it (`Decoded.note`), of those used


def read_cell(cell: Cell, config: PrepareConfig, pool: Executor, of_boxes: bool = False) -> list[CellFile]:
    """Read the files of a cell, in their order, and tell apart what is no chromosome.

    Args:
        cell: Its files.
        config: The preparation of a run: it says where the ground of a picture is.
        pool: Threads; decoding releases the interpreter's lock.
        of_boxes: Whether they were cut out of the boxes of a metaphase, whose choice decides what is no chromosome:
            none is left out.
    """
    read = partial(_read, config=config, of_boxes=of_boxes)
    files = _without_duplicates(list(pool.map(read, cell.files)), config)
    return files if of_boxes else _without_other_sizes(files)


def leave_out(
    files: Sequence[CellFile], causes: Mapping[str, str], status: FileStatus = FileStatus.LEFT_OUT
) -> list[CellFile]:
    """Leave out used files, without their pixels, by the causes of their names."""
    left = []
    for file in files:
        if file.status is FileStatus.USED and (cause := causes.get(file.file.name)):
            file = replace(file, status=status, cause=cause, pixels=None)
        left.append(file)
    return left


def used_files(files: Sequence[CellFile]) -> list[CellFile]:
    """Return those that are used."""
    return [file for file in files if file.status is FileStatus.USED]


def prepare_files(files: Sequence[CellFile], config: PrepareConfig, pool: Executor) -> np.ndarray:
    """Prepare the used files of a cell as a run prepares its own images: uint8 RGB, shape (N, H, W, 3).

    Where ``config.scales_by_cell``, their scale is that of the used files alone: no other changes it. A chromosome that
    is larger than the canvas is shrunk to it.
    """
    areas = np.array([file.area for file in files], np.float64)
    factors = scales(areas, np.zeros(len(files), object), config)
    shrinking = config.model_copy(update={"canvas": config.canvas.model_copy(update={"oversize": "shrink"})})

    def prepare(file: CellFile, factor: float) -> np.ndarray:
        """Prepare a file at its scale."""
        assert file.pixels is not None
        return to_shape(prepare_image(file.pixels, shrinking, factor), config)

    return np.stack(list(pool.map(prepare, files, factors)))


def _read(file: ImageFile, config: PrepareConfig, of_boxes: bool) -> CellFile:
    sha256 = None
    try:
        data = read_plain_file(file.path)
        sha256 = hashlib.sha256(data).hexdigest()
        pixels, _, note = decode_image(data, config.background)
        height, width = pixels.shape[:2]
        if height * width > LARGEST_IMAGE and not of_boxes:  # before its outline, which takes long
            reason = f"{width} x {height} pixels, far more than a single chromosome"
            return CellFile(file, FileStatus.LEFT_OUT, reason, sha256)
        area, unlike = largest_object(pixels, config)
    except (BrokenImageError, cv2.error, MemoryError) as error:
        cause = f"cannot be read ({type(error).__name__})"
        if isinstance(error, BrokenImageError):
            cause = str(error)
        return CellFile(file, FileStatus.BROKEN, cause, sha256)
    if unlike and not of_boxes:
        return CellFile(file, FileStatus.LEFT_OUT, unlike, sha256)
    return CellFile(file, FileStatus.USED, None, sha256, pixels, area, note=note)


def _without_duplicates(files: Sequence[CellFile], config: PrepareConfig) -> list[CellFile]:
    """Leave out all but one of the files with nearly the same picture: the first.

    Such are pictures that were saved twice, also padded, compressed, mirrored or upside down.
    """
    used = used_files(files)
    looks = np.array([_look(file, config) for file in used]).reshape(len(used), *LOOK)
    views = (looks, looks[:, :, ::-1], looks[:, ::-1], looks[:, ::-1, ::-1])
    similar = np.max([np.einsum("nhw,mhw->nm", looks, view) for view in views], axis=0)
    causes = {}
    for number, file in enumerate(used):
        if earlier := np.flatnonzero(similar[number, :number] > SAME).tolist():
            causes[file.file.name] = f"the same picture as {used[earlier[0]].file.name}"
    return leave_out(files, causes, FileStatus.DUPLICATE)


def _look(file: CellFile, config: PrepareConfig) -> np.ndarray:
    """Return a small picture of a chromosome, centred and scaled by its brightness, of mean 0 and length 1, float32."""
    assert file.pixels is not None
    gray = to_gray(on_black(file.pixels) if config.background == "detect" else file.pixels).astype(np.float32)
    gray[gray <= config.crop_threshold] = 0
    (across, left), (down, top) = _sampled(gray.sum(axis=0), LOOK[1]), _sampled(gray.sum(axis=1), LOOK[0])
    matrix = np.array([[across, 0, left], [0, down, top]])
    look = cv2.warpAffine(gray, matrix, LOOK[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    look -= look.mean()
    return np.asarray(look / max(float(np.linalg.norm(look)), 1e-6))


def _sampled(profile: np.ndarray, count: int) -> tuple[float, float]:
    """Return distance and start of samples that cover a profile: 2.2 standard deviations on both sides of the mean."""
    places = np.arange(len(profile))
    weights = profile + 1e-6
    mean = np.average(places, weights=weights)
    step = 4.4 * (np.sqrt(np.average((places - mean) ** 2, weights=weights)) + 0.5) / count
    return float(step), float(mean - step * (count - 1) / 2)


def _without_other_sizes(files: list[CellFile]) -> list[CellFile]:
    """Leave out the pictures that are far from the size of the cell's chromosomes, of FEWEST or more."""
    used = used_files(files)
    if len(used) < FEWEST:
        return files
    median = float(np.median([file.area for file in used]))
    causes = {}
    for file in used:
        if not SMALLEST * median <= file.area <= LARGEST * median:
            causes[file.file.name] = f"{file.area / median:.2g} times the median area of the cell's pictures"
    return leave_out(files, causes)


def largest_object(image: np.ndarray, config: PrepareConfig) -> tuple[int, str | None]:
    """Measure what is seen against the ground of an image, uint8 RGB, shape (H, W, 3), of a run's preparation.

    Returns:
        The pixels of the largest object, and why it cannot be a single chromosome, whatever the others of a cell are;
        None where it can.
    """
    if config.background == "detect":
        image = on_black(image)
    mask = (cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY) > config.crop_threshold).astype(np.uint8)
    _, _, facts, _ = cv2.connectedComponentsWithStats(mask)
    areas = facts[1:, cv2.CC_STAT_AREA]
    largest = int(areas.max(initial=0))
    parts = (areas >= PART_SHARE * largest).sum()
    if largest == 0:
        return largest, "blank: nothing but background"
    if border(mask).mean() > BORDER_SHARE:
        why = "no background around it, as in a photograph or a cut that is too tight (leave two pixels around it)"
        return largest, why
    if parts >= PARTS:
        return largest, f"{parts} separate objects, as in a metaphase or a karyogram"
    return largest, None
