"""The folder ``review`` that scripts/karyotype.py writes: all that the review page needs of a cell, without a model.

What it says of a cell are the numbers of the tables, until a reader decides.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from datamodules.io.decode import encode_png
from karyocyte.common.checksums import Checksums
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value, write_bytes, write_json

NO_CHROMOSOME = "none"  # the class of a file that shows none
FOLDER = "review"  # in the output of scripts/karyotype.py
INDEX = "index.json"
STEM = re.compile(r"[\w.~-]+")  # as of `safe_stems`: no path that leaves the folder
METAPHASES = "metaphases"  # folder of the pictures of metaphases, in the output
CUT_OUTS = "chromosomes"  # folder of the chromosomes that were cut out of metaphases, in the output

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class ReviewedFile:
    """A chromosome as the model saw it, and as it is named in its cell."""

    name: str  # of the file, as in chromosomes.csv
    path: str  # as seen from the folder of the output; absolute once it is read
    assigned: str  # its class in the most probable karyotype, "1" to "22", "X" or "Y"
    # calibrated natural logarithms of the image alone, in the order of CHROMOSOMES, 24 numbers
    log_probabilities: list[float]
    probability: float  # of ``assigned``, see `ChromosomeCall`
    doubtful: bool
    others: list[tuple[str, float]]  # see ``CellKaryotype.others``
    unlike: bool = False  # whether it is out of distribution: it does not look like the training images
    sha256: str | None = None


@dataclass(frozen=True)
class ReviewedBox:
    """A box in the picture of a metaphase; ``outline`` is that of the chromosome: the points of an SVG polygon."""

    corners: Box
    outline: str

    @classmethod
    def of(cls, corners: np.ndarray, outline: np.ndarray) -> "ReviewedBox":
        """Return a box, with the outline in pixels of the picture, int32, shape (n, 2), x and y."""
        left, top, right, bottom = corners.astype(float).round(1).tolist()
        return cls((left, top, right, bottom), " ".join(f"{x},{y}" for x, y in outline.tolist()))


@dataclass(frozen=True)
class ReviewedCell:
    """A cell with its used files.

    ``left_out`` describes the others; ``distance`` is ``CellResult.mean_distance``. ``boxes`` in the picture of a
    metaphase are by the names of all files, in the order of their numbers; ``boxes_wrong`` is that of `CellKaryotype`,
    ``reasons_of_files`` are those of `CellResult`; ``karyotype``, ``probability`` and ``reasons`` are those of
    karyotypes.csv.
    """

    case: str | None
    name: str
    files: list[ReviewedFile]
    left_out: list[str]
    karyotype: str | None
    probability: float | None
    reasons: list[str]
    distance: float | None = None
    boxes: dict[str, ReviewedBox] = field(default_factory=dict)
    boxes_wrong: float = 0.0
    reasons_of_files: list[str] = field(default_factory=list)

    @cached_property
    def logs(self) -> np.ndarray:
        """Log-probabilities, float64, shape (n, 24)."""
        return np.array([file.log_probabilities for file in self.files])

    @cached_property
    def names(self) -> list[str]:
        """The names of the files."""
        return [file.name for file in self.files]

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers of the boxes in the picture of a metaphase, by the names of the files."""
        return {name: number for number, name in enumerate(self.boxes, 1)}

    def shown(self, name: str) -> str:
        """Return what a reader knows a file by: of a metaphase its box."""
        return f"box {self.numbers[name]}" if name in self.numbers else name

    @property
    def unseen(self) -> set[str]:
        """The names of the files that no network has seen."""
        return {file.name for file in self.files if not file.assigned}


@dataclass(frozen=True)
class CellSummary:
    """A line of the queue."""

    stem: str  # name of the cell's files in the folder, and its identity in the decisions
    title: str  # the case, where it is known, and the cell
    expected_errors: float  # see ``CellKaryotype.expected_wrong``
    case: str | None = None  # its name; None where it is unknown

    @property
    def case_name(self) -> str:
        """The name of its case; a cell whose case is unknown is one of its own."""
        return self.case or f"{self.title} (case unknown)"


@dataclass(frozen=True)
class ReviewIndex:
    """What all cells share."""

    priors: KaryotypePriors  # of karyotypes
    balanced: bool  # see ``karyotype_posterior``
    refer_below: float  # a karyotype that is less probable is to be referred
    cells: list[CellSummary]  # those with a chromosome that can be read
    thresholds: CellThresholds = CellThresholds()  # above what a cell is to be referred
    failed: str | None = None  # why all cells are to be referred, as those that a reader has failed to read
    cases: dict[str, str] = field(default_factory=dict)  # what the page says of each case
    version: str = "unknown"  # of this software
    models: dict[str, str] = field(default_factory=dict)  # SHA-256 of the checksums.json of each, by its folder


_INDEX = TypeAdapter(ReviewIndex)
_CELL = TypeAdapter(ReviewedCell)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write pixels, uint8 RGB or gray, to a PNG, whole or not at all; an ``OSError`` says that it cannot be written."""
    write_bytes(path, encode_png(pixels))


def write_bundle(folder: Path, index: ReviewIndex, cells: Mapping[str, ReviewedCell]) -> None:
    """Write what all cells share, and the cells by their stems; record these and the pictures that are there."""
    for stem, cell in cells.items():
        write_json(folder / f"{stem}.json", asdict(cell))
    write_json(folder / INDEX, _INDEX.dump_python(index, mode="json"))
    output = folder.parent
    files = [*folder.iterdir(), *(output / METAPHASES).glob("*"), *(output / CUT_OUTS).glob("*/*")]
    _checksums(output).write(file.relative_to(output).as_posix() for file in files)


def _checksums(output: Path) -> Checksums:
    return Checksums(output, f"{FOLDER}/{INDEX}", "run scripts/karyotype.py again")


class ReviewBundle:
    """The folder ``review`` in an output of scripts/karyotype.py; a ``UserError``: it has none, or a damaged one."""

    def __init__(self, output: Path) -> None:
        self.output = output.absolute()
        self.folder = output / FOLDER
        if not (self.folder / INDEX).is_file():
            raise UserError(f"{output} has no {FOLDER}/{INDEX}: name the output folder of scripts/karyotype.py")
        self.checksums = _checksums(self.output)
        self.index: ReviewIndex = _read(self._checked(INDEX), _INDEX)
        if not all(map(STEM.fullmatch, self.stems)):
            raise UserError(f"{self.folder / INDEX} is damaged: run scripts/karyotype.py again")
        self._cells: dict[str, ReviewedCell] = {}

    @property
    def stems(self) -> Sequence[str]:
        """The identities of the cells."""
        return [cell.stem for cell in self.index.cells]

    @cached_property
    def cases(self) -> dict[str, list[str]]:
        """The identities of the cells of each case, by its name."""
        cases: dict[str, list[str]] = {}
        for cell in self.index.cells:
            cases.setdefault(cell.case_name, []).append(cell.stem)
        return cases

    @cached_property
    def doubts(self) -> dict[str, float]:
        """The expected errors of each cell."""
        return {cell.stem: cell.expected_errors for cell in self.index.cells}

    def cell(self, stem: str) -> ReviewedCell:
        """Read a cell, once."""
        if stem not in self._cells:
            cell = _read(self._checked(f"{stem}.json"), _CELL)
            files = [replace(file, path=str(self.output / file.path)) for file in cell.files]
            self._cells[stem] = replace(cell, files=files)
        return self._cells[stem]

    def picture(self, stem: str) -> Path:
        """Return the strip of the chromosomes of a cell, dark on white, see `strip_of`."""
        return self._checked(f"{stem}.png")

    def metaphase(self, stem: str) -> Path:
        """Return the picture of the metaphase of a cell."""
        return self.checksums.checked(f"{METAPHASES}/{stem}.png")

    def identity(self, stem: str) -> str:
        """Return what tells a cell, its pictures and its predictions from all others, 16 hex digits."""
        files = [self.checksums.listed.get(f"{FOLDER}/{stem}{suffix}") for suffix in (".json", ".png")]
        return sha256_of_value(files)[:16]

    def _checked(self, name: str) -> Path:
        return self.checksums.checked(f"{FOLDER}/{name}")


def _read(path: Path, adapter: TypeAdapter[Any]) -> Any:
    try:
        return adapter.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        raise UserError(f"{path} is damaged: run scripts/karyotype.py again") from error
