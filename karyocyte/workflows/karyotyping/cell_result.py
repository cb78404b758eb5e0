"""A cell from its files to its karyotype."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from datamodules.inference.cell_images import CellFile, FileStatus, kept_names, leave_out, read_cell, used_files
from datamodules.inference.cells import Cell
from datamodules.synthesis.assigned_karyogram import Karyogram
from karyocyte.common.karyotype import CHROMOSOMES, MARKER, CellThresholds, name_karyotype
from karyocyte.common.text import counted
from karyocyte.evaluation.cells.cell_karyotype import CellKaryotype, ChromosomeCall, implausible, karyotype_of_cell
from karyocyte.evaluation.cells.cell_referral import doubts
from karyocyte.inference.cell_settings import KaryotypeConfig
from karyocyte.workflows.karyotyping.fixed import FixedClasses
from karyocyte.workflows.karyotyping.metaphases import MetaphaseFile
from karyocyte.workflows.karyotyping.predictor import CellModel, CellPrediction
from karyocyte.workflows.karyotyping.uncertain_boxes import karyotype_of_boxes

IMPROBABLE = "no class is probable for the network"
NO_CHROMOSOME = "no chromosome: the detector and the joint assignment leave this box out"
LISTED = 5  # files in a reason
TWO = 1.4  # times the area of another chromosome of the class; in 5 % of normal cells a homologue is so large
LEFT_OUT = {
    "broken": "that cannot be read",
    "foreign": "left out as foreign",
    "fixed": "with a fixed class, but not used",
}


@dataclass(frozen=True, eq=False)
class CellInput:
    """A cell that is to be named."""

    cell: Cell  # its name, case and files
    stem: str  # name of its karyogram
    fixed: FixedClasses = field(default_factory=dict)  # the classes that an expert has fixed
    metaphase: MetaphaseFile | None = None  # the picture that the files were cut out of; None where they were given


@dataclass(frozen=True, eq=False, kw_only=True)
class CellResult(CellInput):
    """A cell with its karyotype."""

    files: tuple[CellFile, ...]  # what became of each file, without pixels
    karyotype: CellKaryotype  # karyotype and chromosomes, in the order of the used files
    # of the used files by name: the distance from the training images over its threshold, above 1 out of distribution;
    # without those whose class is fixed, and empty where it is not measured
    distances: Mapping[str, float] = field(default_factory=dict)
    thresholds: CellThresholds = CellThresholds()  # above what it is referred
    drawn: Karyogram | None = None  # its karyogram; None where no karyotype can be named

    @property
    def markers(self) -> int:
        """The number of files that an expert has found to be of no class."""
        return list(self.fixed.values()).count(MARKER)

    @property
    def mean_distance(self) -> float:
        """The mean of the distances; NaN where they are not measured."""
        return float(pd.Series(self.distances, dtype=float).mean())

    @property
    def foreign(self) -> list[str]:
        """The names of the used files that are out of distribution, the farthest first."""
        distances = pd.Series(self.distances, dtype=float).sort_values(ascending=False, kind="stable")
        return list(distances.index[distances > 1.0])

    @property
    def pairs(self) -> list[str]:
        """The names of the used files whose object is far larger than others of its class, as two chromosomes are."""
        used = used_files(self.files)
        table = pd.DataFrame({"name": [file.file.name for file in used], "area": [file.area for file in used]})
        smallest = table["area"].groupby([call.assigned for call in self.karyotype.calls]).transform("min")
        return list(table["name"][table["area"] > TWO * smallest])

    @property
    def karyogram(self) -> str | None:
        """Where the karyogram is written, below the folder of the page; None where no karyotype can be named."""
        return f"karyograms/{self.stem}.png" if self.karyotype.candidates else None

    @property
    def calls(self) -> list[tuple[CellFile, ChromosomeCall | None]]:
        """Each file with its class; None of those that are not used."""
        calls = iter(self.karyotype.calls)
        return [(file, next(calls) if file.status is FileStatus.USED else None) for file in self.files]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why an expert should look at the cell: its karyotype, and files that are not used."""
        if self.metaphase is not None and self.metaphase.problem:
            return (self.metaphase.problem,)
        counts: Counter[str] = Counter()
        for file in self.files:
            is_fixed = file.file.name in self.fixed
            if file.cause == NO_CHROMOSOME:  # of a detector: that is one of the choices among its boxes
                continue
            if is_fixed and self.fixed[file.file.name] not in CHROMOSOMES:  # the expert has looked at it
                continue
            counts[str(file.status)] += 1
            counts["fixed"] += is_fixed and file.status is not FileStatus.USED
        reasons = [*self.karyotype.reasons, *doubts(self.karyotype, self.mean_distance, self.thresholds)]
        for kind, text in LEFT_OUT.items():
            if counts[kind]:
                reasons.append(f"{counted(counts[kind], 'file')} {text}")
        # One image tells little, the mean of a cell much: alone it refers a cell only where the mean cannot.
        if (foreign := self.foreign) and (reasons or self.thresholds.distance is None):
            named = ", ".join([*foreign[:LISTED], "..."] if len(foreign) > LISTED else foreign)
            reasons.append(
                f"{len(foreign)} of {len(self.files)} files out of distribution, unlike the training images: {named}"
            )
        if self.karyotype.missing and (pairs := self.pairs):
            reasons.append(f"two chromosomes in one picture? {', '.join(pairs)}")
        return tuple(reasons)


def name_cell(
    given: CellInput, predictor: CellModel, config: KaryotypeConfig, pool: Executor
) -> tuple[CellResult, CellPrediction]:
    """Read, predict and name one cell; return it with what is predicted of its used files, and their pictures."""
    files, prediction = _predicted_files(given, predictor, pool)
    if given.metaphase is None:
        kinds = _kinds(files, given.fixed)
        karyotype = karyotype_of_cell(
            prediction.log_probabilities, config, kinds, config.refer_below, predictor.balanced
        )
    else:
        karyotype, files, prediction = _choose(files, prediction, given, config, predictor.balanced)
        kinds = _kinds(files, given.fixed)
    used = used_files(files)
    names = pd.Series([file.file.name for file in used], dtype=object)
    distances = pd.Series(prediction.out_of_distribution, names).drop(names[list(kinds)]).dropna().to_dict()
    without_pixels = tuple(replace(file, pixels=None) for file in files)
    result = CellResult(**vars(given), files=without_pixels, karyotype=karyotype, distances=distances)
    if result.markers:
        result = replace(result, karyotype=_with_markers(karyotype, result.markers))
    if used:
        prediction = prediction._replace(pictures=predictor.pictures(used, prediction.upside_down, pool))
    return result, prediction


def _kinds(files: Sequence[CellFile], fixed: FixedClasses) -> dict[int, int]:
    """Return the classes that are fixed of used files, as indices into CHROMOSOMES, by their row."""
    names = pd.Series([file.file.name for file in used_files(files)], dtype=object)
    kinds: dict[int, int] = names.map(fixed).dropna().map(CHROMOSOMES.index).to_dict()
    return kinds


def _choose(
    files: list[CellFile], prediction: CellPrediction, given: CellInput, config: KaryotypeConfig, balanced: bool
) -> tuple[CellKaryotype, list[CellFile], CellPrediction]:
    """Name the karyotype of cut-outs, and leave out those that show no chromosome."""
    assert given.metaphase is not None
    names = [file.file.name for file in used_files(files)]
    probabilities = np.array([given.metaphase.found[name].probability for name in names])
    kinds = _kinds(files, given.fixed)
    karyotype, kept = karyotype_of_boxes(prediction.log_probabilities, probabilities, kinds, config, balanced)
    left_out = set(names) - {names[row] for row in kept}
    return karyotype, leave_out(files, left_out, NO_CHROMOSOME), prediction.of(kept)


def _with_markers(cell: CellKaryotype, markers: int) -> CellKaryotype:
    """Count so many chromosomes that are of no class in all karyotypes of a cell."""
    candidates = []
    for one in cell.candidates:
        candidates.append(replace(one, karyotype=name_karyotype({**Counter(one.names), MARKER: markers})))
    return replace(cell, candidates=tuple(candidates))


def _predicted_files(given: CellInput, predictor: CellModel, pool: Executor) -> tuple[list[CellFile], CellPrediction]:
    """Read a cell and predict its used files.

    Those that no class is probable of are left out, but for fixed ones and what a detector found.
    """
    files = read_cell(given.cell, predictor.prepare, given.fixed, pool)
    used = used_files(files)
    prediction = predictor.predict(used, pool)
    if given.metaphase is not None:
        return files, prediction
    unlikely = implausible(prediction.log_probabilities)
    names = {used[number].file.name for number in np.flatnonzero(unlikely)} - kept_names(given.fixed)
    if names:  # the scale and range of the others must not depend on them: predict again
        files = leave_out(files, names, IMPROBABLE)
        prediction = predictor.predict(used_files(files), pool)
    return files, prediction
