"""A cell from its files to its karyotype, the reasons of its referral, and what a reader has to do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cytogenetics.cells.cell_karyotype import CellKaryotype, ChromosomeCall, implausible, karyotype_of_cell
from cytogenetics.cells.cell_settings import NamingSettings
from cytogenetics.cells.uncertain_boxes import Boxes, karyotype_of_boxes
from cytogenetics.images.cell_images import CellFile, FileStatus, leave_out, read_cell, used_files
from cytogenetics.images.cells import Cell
from cytogenetics.images.upright import strip_of, upright
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from cytogenetics.karyotyping.cell_model import NO_FILES, CellModel, CellPrediction
from cytogenetics.karyotyping.metaphases import FoundChromosome, MetaphaseFile
from cytogenetics.synthesis.assigned_karyogram import Karyogram, draw_karyogram
from karyocyte.common.text import counted

IMPROBABLE = "no class is probable for the network, and the cell is more probable without it"
UNLIKELY = 0.5  # probability that a picture shows a chromosome that no class is probable of
NO_CHROMOSOME = "no chromosome: the choice of boxes leaves this one out"
LISTED = 5  # files in a reason
MISSED = 0.5  # expected wrong boxes, from which the place of a chromosome that may be missed is named
LEAST_MISSED = 0.1  # probability of its box
LEFT_OUT = {"broken": "that cannot be read", "left_out": "left out, as showing no single chromosome"}
KARYOGRAMS = "karyograms"  # the folder of their pictures


@dataclass(frozen=True, eq=False)
class CellInput:
    """A cell that is to be named."""

    cell: Cell  # its name, case and files
    stem: str  # name of its karyogram
    metaphase: MetaphaseFile | None = None  # the picture that the files were cut out of; None where they were given

    @property
    def found(self) -> Mapping[str, FoundChromosome]:
        """The boxes that the files were cut out of, by their names; empty where they were given."""
        return {} if self.metaphase is None else self.metaphase.found


@dataclass(frozen=True, eq=False, kw_only=True)
class CellResult(CellInput):
    """A cell with its karyotype: what tables, page and review show of it, each number computed once."""

    files: tuple[CellFile, ...]  # what became of each file, without pixels
    karyotype: CellKaryotype  # karyotype and chromosomes, in the order of the used files
    predicted: CellPrediction = NO_FILES  # of the used files
    # of the used files by name: the distance from the training images over its threshold, above 1 out of distribution;
    # empty where it is not measured
    distances: Mapping[str, float] = field(default_factory=dict)
    thresholds: CellThresholds = CellThresholds()  # above what it is referred
    failed: str | None = None  # why all cells look as if a reader had failed (`why_failed`)
    drawn: Karyogram | None = None  # its karyogram; None where no karyotype can be named

    @cached_property
    def mean_distance(self) -> float:
        """The mean of the distances; NaN where they are not measured."""
        return float(pd.Series(self.distances, dtype=float).mean())

    @cached_property
    def out_of_distribution(self) -> list[str]:
        """The names of the used files that are out of distribution, the farthest first."""
        distances = pd.Series(self.distances, dtype=float).sort_values(ascending=False, kind="stable")
        return list(distances.index[distances > 1.0])

    @cached_property
    def karyogram(self) -> str | None:
        """Where the karyogram is written, below the folder of the page; None where no karyotype can be named."""
        return f"{KARYOGRAMS}/{self.stem}.png" if self.karyotype.candidates else None

    @cached_property
    def calls(self) -> list[tuple[CellFile, ChromosomeCall | None]]:
        """Each file with its class; None of those that are not used."""
        calls = iter(self.karyotype.calls)
        return [(file, next(calls) if file.status is FileStatus.USED else None) for file in self.files]

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why an expert should look at the cell: its karyotype, and files that are not used."""
        if self.failed:
            return (self.failed,)
        if self.metaphase is not None and self.metaphase.problem:
            return (self.metaphase.problem,)
        unlike, karyotype = self.out_of_distribution, self.karyotype
        names = [self._name(file.file.name) for file in used_files(self.files)]
        doubts = karyotype.doubts(self.mean_distance, self.thresholds, names)
        reasons = [*karyotype.reasons, *doubts, *self.missed, *self.reasons_of_files, *filter(None, [self.unlike])]
        # One image tells little, the mean of a cell much: alone it refers a cell only where the mean cannot.
        if unlike and (reasons or self.thresholds.distance is None):
            named = ", ".join([*map(self._name, unlike[:LISTED]), *["..."] * (len(unlike) > LISTED)])
            of_all = f"{len(unlike)} of {len(self.files)} {'boxes' if self.found else 'files'}"
            reasons.append(f"{of_all} out of distribution, unlike the training images: {named}")
        return tuple(reasons)

    def _name(self, file: str) -> str:
        """Return what a reader sees of a file: the number of its box in the picture of a metaphase, or its name."""
        return f"box {self.found[file].number}" if file in self.found else file

    @property
    def unlike(self) -> str | None:
        """Why its picture is unlike those of the calibration; None where its chromosomes have the usual size."""
        if self.metaphase is None or self.metaphase.scale == 1:
            return None
        size = "smaller" if self.metaphase.scale > 1 else "larger"
        return f"its chromosomes are {size} than those of the calibration: scaled {self.metaphase.scale:.2f} times"

    @property
    def missed(self) -> list[str]:
        """Where a chromosome may be missed: at the most probable box that is left out."""
        unused = [file.file.name for file, call in self.calls if call is None]
        left_out = [self.found[name] for name in unused if name in self.found]
        most = max(left_out, key=lambda one: one.probability, default=None)
        if most is None or self.karyotype.boxes_wrong < MISSED or most.probability < LEAST_MISSED:
            return []
        crossed = self._crossed_by(most.box)
        named = "chromosome " + " and ".join(crossed[:2])
        where = f" at the crossing of {named}" if len(crossed) > 1 else f" beside {named}" * bool(crossed)
        return [f"one chromosome may be missed{where}: box {most.number}"]

    def _crossed_by(self, box: np.ndarray) -> list[str]:
        """Return the classes whose boxes a box shares pixels with, the most pixels first."""
        shared: dict[str, float] = {}
        for file, call in self.calls:
            other = self.found[file.file.name].box
            sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
            if call is not None and sides.min() > 0:
                shared[call.assigned] = float(sides.prod())
        return sorted(shared, key=lambda kind: -shared[kind])

    @property
    def reasons_of_files(self) -> list[str]:
        """Why an expert should look at files that are not used."""
        # What a detector's choice of boxes leaves out is weighed there.
        counts = Counter(str(file.status) for file in self.files if file.cause != NO_CHROMOSOME)
        return [f"{counted(counts[kind], 'file')} {text}" for kind, text in LEFT_OUT.items() if counts[kind]]

    @cached_property
    def task(self) -> str:
        """What a reader has to do, in the order of work: a quick look, chromosomes, boxes, the whole picture."""
        if not self.reasons:
            return "quick look"
        if self.failed or not self.karyotype.candidates:
            return "look at the picture"
        if 2 * self.karyotype.boxes_wrong > self.karyotype.expected_wrong:
            return "check the boxes"
        doubtful = self.karyotype.doubtful
        return f"look at {counted(doubtful, 'chromosome') if doubtful else 'the karyogram'}"


def name_cell(
    given: CellInput, model: CellModel, pool: Executor
) -> tuple[CellResult, np.ndarray | None, np.ndarray | None]:
    """Read a cell, predict its chromosomes and name its karyotype.

    Returns:
        The cell; its used files upright and at one scale, see ``CellModel.pictures``; and the same in the resolution of
        the files, see `strip_of`. None without a used file.
    """
    files = read_cell(given.cell, model.prepare, pool, of_boxes=given.metaphase is not None)
    used = used_files(files)
    predicted = model.predict(used, pool)
    names = [file.file.name for file in used]
    karyotype, kept, cause = _karyotype_of(given.metaphase, names, predicted.log_probabilities, model.naming)
    used = [used[row] for row in kept]
    predicted = CellPrediction(*(values[kept] for values in predicted))
    pictures, strip, drawn = None, None, None
    if used:
        pictures = model.pictures(used, predicted.upside_down, pool)
        strip = _strip(used, predicted.upside_down)
    files = leave_out(files, dict.fromkeys({*names} - {file.file.name for file in used}, cause))
    if pictures is not None and karyotype.candidates:
        calls = karyotype.calls
        drawn = draw_karyogram(pictures, [call.assigned for call in calls], [call.question for call in calls])
    measured = zip(used, predicted.out_of_distribution.tolist(), strict=True)
    result = CellResult(
        **vars(given),
        files=tuple(replace(file, pixels=None) for file in files),
        karyotype=karyotype,
        predicted=predicted,
        distances={file.file.name: far for file, far in measured if not np.isnan(far)},
        thresholds=model.thresholds,
        drawn=drawn,
    )
    return result, pictures, strip


def _strip(files: Sequence[CellFile], upside_down: np.ndarray) -> np.ndarray:
    """Return used files, some of them upside down, bool, shape (N,), side by side, see `strip_of`."""
    images = []
    for file, is_turned in zip(files, upside_down.tolist(), strict=True):
        assert file.pixels is not None
        images.append(upright(file.pixels, is_turned))
    return strip_of(images)


def _karyotype_of(
    metaphase: MetaphaseFile | None, names: Sequence[str], log_probabilities: np.ndarray, naming: NamingSettings
) -> tuple[CellKaryotype, np.ndarray, str]:
    """Name the karyotype of a cell by the probabilities of its used files.

    Returns:
        The karyotype, the rows of the files that are its chromosomes, int64, and why the others are none.
    """
    if metaphase is not None and metaphase.boxes is not None:
        found = [*metaphase.found]
        boxes, cause = metaphase.boxes.of(np.array([found.index(name) for name in names], int)), NO_CHROMOSOME
    elif (unlikely := implausible(log_probabilities)).any():
        boxes, cause = Boxes.apart(np.where(unlikely, UNLIKELY, 1.0)), IMPROBABLE
    else:
        return karyotype_of_cell(log_probabilities, {}, naming), np.arange(len(names)), NO_CHROMOSOME
    # A doubtful box is kept where the karyotype lacks a chromosome, so both are decided together.
    named, kept = karyotype_of_boxes(log_probabilities, boxes, naming)
    return named, kept, cause
