"""A cell from its files to its karyotype."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from common.text import counted
from datamodules.inference.cell_images import CellFile, FileStatus, kept_names, leave_out, read_cell, used_files
from datamodules.inference.cells import Cell
from datamodules.synthesis.assigned_karyogram import draw_karyogram
from evaluation.cells.cell_karyotype import CellKaryotype, ChromosomeCall, implausible, karyotype_of_cell
from workflows.karyotyping.fixed import FixedClasses
from workflows.karyotyping.predictor import CellModel, CellPrediction
from workflows.karyotyping.settings import KaryotypeConfig

IMPROBABLE = "no class is probable for the network"
NAMED = 5  # files in a reason
Distances = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class NamedFiles:
    """What is found of a cell.

    Attributes:
        files: What became of each file, without pixels.
        karyotype: Karyotype and chromosomes, in the order of the used files.
        karyogram: uint8 RGB; None where no karyotype can be named.
        log_probabilities: Calibrated, of each used file alone, float64, shape (n, 24).
        pictures: The used files upright and at one scale, uint8 RGB on black, shape (n, H, W, 3); None without any.
        distances: See ``CellResult``.
    """

    files: tuple[CellFile, ...]
    karyotype: CellKaryotype
    karyogram: np.ndarray | None
    log_probabilities: np.ndarray
    pictures: np.ndarray | None
    distances: Distances = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CellResult:
    """A cell with its karyotype.

    Attributes:
        cell: Its name, case and files.
        files: What became of each file, without pixels.
        karyotype: Karyotype and chromosomes, in the order of the used files.
        stem: Name of its karyogram, and of its anchor on the page.
        drawn: Whether there is a karyogram.
        fixed: The classes that an expert has fixed.
        distances: Of the used files by name: the distance from the training images over its threshold, above 1 out of
            distribution; without those whose class is fixed, and empty where it is not measured.
    """

    cell: Cell
    files: tuple[CellFile, ...]
    karyotype: CellKaryotype
    stem: str
    drawn: bool
    fixed: FixedClasses = field(default_factory=dict)
    distances: Distances = field(default_factory=dict)

    @property
    def foreign(self) -> list[str]:
        """The names of the used files that are out of distribution, the farthest first."""
        foreign = [name for name, value in self.distances.items() if value > 1.0]
        return sorted(foreign, key=lambda name: -self.distances[name])

    @property
    def karyogram(self) -> str:
        """Where the karyogram is written, below the folder of the page."""
        return f"karyograms/{self.stem}.png"

    def count(self, status: FileStatus) -> int:
        """Return the number of files of a status."""
        return sum(file.status is status for file in self.files)

    @property
    def calls(self) -> list[tuple[CellFile, ChromosomeCall | None]]:
        """Each file with its class; None of those that are not used."""
        calls = iter(self.karyotype.calls)
        return [(file, next(calls) if file.status is FileStatus.USED else None) for file in self.files]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why an expert should look at the cell: its karyotype, and files that are not used."""
        reasons = list(self.karyotype.reasons)
        counts: Counter[str] = Counter()
        for file in self.files:
            name = file.file.name
            fixed = self.fixed.get(name)
            if name in self.fixed and fixed is None:  # the expert has looked at it
                continue
            counts["that cannot be read"] += file.status is FileStatus.BROKEN
            counts["left out as foreign"] += file.status is FileStatus.FOREIGN
            counts["with a fixed class, but not used"] += fixed is not None and file.status is not FileStatus.USED
        for text, count in counts.items():
            if count:
                reasons.append(f"{counted(count, 'file')} {text}")
        if foreign := self.foreign:
            named = ", ".join(foreign[:NAMED]) + ", ..." * (len(foreign) > NAMED)
            reasons.append(
                f"{len(foreign)} of {len(self.files)} files out of distribution, unlike the training images: {named}"
            )
        return tuple(reasons)

    @property
    def order(self) -> tuple[bool, float]:
        """A sort key: cells to be referred, then the others, each by increasing probability."""
        probability = self.karyotype.probability
        return (not self.reasons, -1.0 if probability is None else probability)


def name_cell(
    cell: Cell, fixed: FixedClasses, predictor: CellModel, config: KaryotypeConfig, pool: Executor
) -> NamedFiles:
    """Read, predict and name one cell."""
    files, prediction = _predicted_files(cell, fixed, predictor, pool)
    without_pixels = tuple(replace(file, pixels=None) for file in files)
    if prediction is None:
        nothing = np.zeros((0, 24))
        karyotype = karyotype_of_cell(nothing, config, {}, config.refer_below, predictor.balanced)
        return NamedFiles(without_pixels, karyotype, None, nothing, None)
    used = used_files(files)
    logs = prediction.log_probabilities
    given: dict[int, int] = {}
    for number, file in enumerate(used):
        kind = fixed.get(file.file.name)
        if kind is not None:
            given[number] = kind
    karyotype = karyotype_of_cell(logs, config, given, config.refer_below, predictor.balanced)
    pictures = predictor.pictures(used, prediction.upside_down, pool)
    karyogram = _draw(pictures, karyotype) if karyotype.candidates else None
    distances = _distances(used, prediction, given)
    return NamedFiles(without_pixels, karyotype, karyogram, logs, pictures, distances)


def _predicted_files(
    cell: Cell, fixed: FixedClasses, predictor: CellModel, pool: Executor
) -> tuple[list[CellFile], CellPrediction | None]:
    """Read a cell and predict its used files; those that no class is probable of are left out, unless they are fixed.

    The prediction is None where no file is used.
    """
    files = read_cell(cell, predictor.prepare, fixed, pool)
    used = used_files(files)
    if not used:
        return files, None
    prediction = predictor.predict(used, pool)
    unlikely = implausible(prediction.log_probabilities)
    names = {used[number].file.name for number in np.flatnonzero(unlikely)}
    names -= kept_names(fixed)
    if not names:
        return files, prediction
    # The scale and range of the others must not depend on them: predict again.
    files = leave_out(files, names, IMPROBABLE)
    used = used_files(files)
    return files, predictor.predict(used, pool) if used else None


def _distances(used: Sequence[CellFile], prediction: CellPrediction, given: Mapping[int, int]) -> Distances:
    """Return the distances of the files, without those whose class is given."""
    distances = {}
    for number, value in enumerate(prediction.out_of_distribution):
        if number not in given and not np.isnan(value):
            distances[used[number].file.name] = float(value)
    return distances


def _draw(images: np.ndarray, karyotype: CellKaryotype) -> np.ndarray:
    classes = []
    doubts = {}
    for number, call in enumerate(karyotype.calls):
        classes.append(call.assigned)
        if call.doubtful:
            doubts[number] = str(call.runner_up)
    return draw_karyogram(images, classes, doubts)
