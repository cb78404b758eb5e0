"""Pictures of metaphases as cells: chromosomes are found, cut out, and written as the files of a cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cytogenetics.cells.posterior import LARGEST, SMALLEST
from cytogenetics.cells.uncertain_boxes import Boxes
from cytogenetics.images.cells import TABLE_SUFFIX, Cell, Cells
from cytogenetics.metaphases.data.cut_out import CutOut, count_outside, distinct, network_picture, objects_in
from cytogenetics.metaphases.magnification import Look, look_at_usual_size
from cytogenetics.review.cell_bundle import CUT_OUTS, METAPHASES
from datamodules.inference.image_files import ImageFile, ImageFiles, find_image_files, printable
from datamodules.io.decode import BrokenImageError, decode_image, encode_png, read_image, read_plain_file
from datamodules.io.progress import progress_bar
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_bytes
from karyocyte.common.memory import return_freed_memory
from karyocyte.common.text import counted

if TYPE_CHECKING:
    from cytogenetics.metaphases.box_finder import BoxFinder

SAMPLE = 5  # pictures that tell of which kind a folder is
LEAST_SIDE = 256  # pixels of a metaphase; single chromosomes are cut out with fewer
MOST_SIDE = 4096  # pixels; those of 899 metaphases have at most 1,360
LEAST_OBJECTS = 8  # that do not touch, in a metaphase
SCALE = "a chromosome 1 has 100 to 200 pixels"  # so 90 % of them in 899 metaphases
UPRIGHT = 1.2  # times as high as wide
MOST_UPRIGHT = 0.73  # share of the boxes: at most 0.72 in 3,927 metaphases, and at least 0.74 in 15 of 16 karyograms
MOST_OUTSIDE = 2  # objects outside all boxes, for each box: at most 1.1 in 300 metaphases, 2.5 or more in karyograms
LEAST_PROBABILITY = 0.05  # of a box that is cut out
EDGE = 2  # pixels of the edge of a picture that a chromosome which reaches there may be cut by
BANDS = 8  # from top to bottom, in which chromosomes are numbered from left to right


@dataclass(frozen=True, eq=False)
class FoundChromosome:
    """A box in a picture."""

    number: int  # on the page, from 1
    box: np.ndarray  # left, top, right, bottom in pixels of the picture, float32, shape (4,)
    probability: float  # that it holds a chromosome
    outline: np.ndarray  # of the chromosome, x and y in pixels of the picture, int32, shape (n, 2)


@dataclass(frozen=True, eq=False)
class MetaphaseFile:
    """A picture and what is found in it."""

    shape: tuple[int, int] = (0, 0)  # height and width of the copy in pixels; 0 where it cannot be read
    # by the names of the files that the chromosomes are written to
    found: Mapping[str, FoundChromosome] = field(default_factory=dict)
    problem: str | None = None  # why no karyotype is named; None where one is
    mean: float = 0.0  # of its gray values on black, 0 to 255
    note: str = ""  # what was chosen in the file (`Decoded.note`)
    boxes: Boxes | None = None  # those of ``found``, in its order; None where no karyotype is named
    scale: float = 1.0  # of the copy, in whose pixels boxes and outlines are, times the picture's own size


def find_pictures(
    place: Path, wanted: str, cache_dir: Path, progress: bool, follow_links: bool = False
) -> ImageFiles | None:
    """Return the pictures of metaphases that a place holds; None where it holds single chromosomes.

    Args:
        place: A picture, a folder, a zip file or a table.
        wanted: ``input`` of packages/cytogenetics/conf/karyotype.yaml.
        cache_dir: The folder below which a zip file is unpacked.
        progress: Whether a progress bar may be shown.
        follow_links: Whether links that lead out of the folder are followed.

    Raises:
        UserError: There is no image, or the zip file is unsafe or damaged.
    """
    if wanted == "chromosomes" or place.suffix.lower() == TABLE_SUFFIX:
        return None
    images = find_image_files([place], cache_dir, progress, follow_links)
    if wanted == "auto" and (place.is_dir() or len(images.files) > 1):
        files = images.files[:: max(1, len(images.files) // SAMPLE)]
        if 2 * sum(_looks_like_metaphase(file) for file in files) <= len(files):
            return None
    return images


def _looks_like_metaphase(file: ImageFile) -> bool:
    try:
        image = read_image(file.path, "detect")
    except BrokenImageError:
        return False
    return min(image.shape[:2]) >= LEAST_SIDE and len(objects_in(network_picture(image, 1.0))[1]) >= LEAST_OBJECTS


def cut_pictures(
    images: ImageFiles, finder: "BoxFinder", folder: Path, progress: bool
) -> tuple[Cells, list[MetaphaseFile]]:
    """Find the chromosomes of pictures and write each to a file below a folder, as `Cells` of one picture each.

    Raises:
        UserError: None of them is a metaphase.
    """
    named = [Cell(Path(file.name).stem, printable("/".join(file.folders[1:])) or None, ()) for file in images.files]
    stems = Cells(tuple(named), {}).stems
    (folder / METAPHASES).mkdir()
    cells = []
    metaphases = []
    what = f"finding the chromosomes of {counted(len(named), 'picture')}"
    with progress_bar(len(named), what, progress) as advance:
        for file, cell, stem in zip(images.files, named, stems, strict=True):
            metaphase, cuts = _cut(file, folder / METAPHASES / f"{stem}.png", finder)
            (folder / CUT_OUTS / stem).mkdir(parents=True)
            files = []
            for cut, path in zip(cuts, metaphase.found, strict=True):
                pixels = np.repeat(cut.pixels[..., None], 3, axis=2)
                write_bytes(folder / CUT_OUTS / path, encode_png(pixels))
                files.append(ImageFile(folder / CUT_OUTS / path, path, (stem,)))
            cells.append(replace(cell, files=tuple(files)))
            metaphases.append(metaphase)
            return_freed_memory()  # glibc would keep that of every size that a picture had
            advance()
    if all(one.problem for one in metaphases):
        others = f"; in none of {len(cells)} pictures is a metaphase found" if len(cells) > 1 else ""
        raise UserError(f"{metaphases[0].problem}{others}")
    return Cells(tuple(cells), dict(images.others)), metaphases


def _cut(file: ImageFile, copy: Path, finder: "BoxFinder") -> tuple[MetaphaseFile, list[CutOut]]:
    """Return what is found in a picture, which is written to ``copy``, and the chromosomes of its boxes."""
    try:
        image, _, note = decode_image(read_plain_file(file.path), "detect")
    except BrokenImageError as error:
        return MetaphaseFile(problem=f"{file.name}: {error}"), []
    shape = (image.shape[0], image.shape[1])
    if max(shape) > MOST_SIDE:
        size = f"{shape[1]:,} x {shape[0]:,} pixels"
        return MetaphaseFile(problem=f"{file.name}: {size}: scale it: {SCALE}"), []
    look = look_at_usual_size(image, finder.find, MOST_SIDE)
    shape = (look.image.shape[0], look.image.shape[1])
    write_bytes(copy, encode_png(look.image))
    boxes, probabilities = _possible_boxes(look)
    picture = network_picture(look.image, 1.0)
    if problem := why_no_metaphase(boxes[probabilities > 0.5], count_outside(picture, boxes)):
        return MetaphaseFile(shape, {}, f"{file.name}: {problem}", note=note, scale=look.scale), []
    found = {}
    cuts: list[CutOut] = []
    possible = finder.cut_out(picture, boxes)
    # Two boxes of one chromosome would count it twice.
    for row in distinct(possible, probabilities):
        if len(outline := possible[row].outline):
            number = len(cuts) + 1
            name = f"{copy.stem}/{number:02}.png"
            found[name] = FoundChromosome(number, boxes[row], float(probabilities[row]), outline)
            cuts.append(possible[row])
    sure = np.array([one.probability for one in found.values()])
    measured = boxes_of(cuts, sure, shape)
    return MetaphaseFile(shape, found, None, float(picture.mean()), note, measured, look.scale), cuts


def boxes_of(cuts: Sequence[CutOut], probabilities: np.ndarray, shape: tuple[int, int]) -> Boxes:
    """Return the boxes that chromosomes were cut out of, in a picture of a shape: its parts by the masks over them."""
    height, width = shape
    packed = np.zeros((height, width, -(-len(cuts) // 8)), np.uint8)  # eight masks a byte
    at_edge = np.zeros(len(cuts), bool)
    for number, cut in enumerate(cuts):
        y, x = (np.argwhere(cut.mask) + cut.corner[::-1]).T
        packed[y, x, number // 8] |= 128 >> number % 8
        at_edge[number] = min(x.min(), y.min(), width - 1 - x.max(), height - 1 - y.max()) < EDGE
    kinds, pixels = np.unique(packed[packed.any(axis=2)], axis=0, return_counts=True)
    regions = np.unpackbits(kinds, axis=1, count=len(cuts)).astype(bool)
    return Boxes(probabilities, regions, pixels, at_edge)


def why_no_metaphase(boxes: np.ndarray, outside: int) -> str | None:
    """Return why boxes, float, shape (n, 4), and so many objects outside are no metaphase; None where they are one."""
    count = counted(len(boxes), "chromosome")
    if outside > MOST_OUTSIDE * len(boxes) >= MOST_OUTSIDE * SMALLEST:
        count += f" and {counted(outside, 'other object')}"
    if len(boxes) < SMALLEST or outside > MOST_OUTSIDE * len(boxes):
        return f"{count} found: this is no picture of a whole metaphase, or scale it: {SCALE}"
    if len(boxes) > LARGEST:
        return f"{count} found: cut pictures of several metaphases into one picture of each"
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    if (height > UPRIGHT * width).mean() > MOST_UPRIGHT:
        return "the chromosomes stand upright, as in a karyogram: name the picture of its metaphase"
    return None


def _possible_boxes(look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes that may be chromosomes, from left to right in bands from top to bottom, and how probably."""
    height, width = look.image.shape[:2]
    probabilities = look.probabilities
    boxes = look.boxes.clip(0, np.array([width, height] * 2, np.float32))
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    order = np.lexsort((middles[:, 0], (middles[:, 1] * BANDS / height).astype(int)))
    order = order[probabilities[order] >= LEAST_PROBABILITY]
    return boxes[order], probabilities[order]
