"""A cell from its files to its karyotype and the reasons of its referral."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from cytogenetics.cells.box_choice import Boxes
from cytogenetics.cells.cell_karyotype import CellKaryotype, ChromosomeCall, implausible, karyotype_of_cell
from cytogenetics.cells.cell_referral import doubts
from cytogenetics.cells.cell_settings import KaryotypeConfig
from cytogenetics.cells.uncertain_boxes import NamingSettings, karyotype_of_boxes
from cytogenetics.images.cell_images import CellFile, FileStatus, leave_out, read_cell, used_files
from cytogenetics.images.cells import Cell
from cytogenetics.images.copies import ALIKE, likeness
from cytogenetics.karyotypes.naming import MARKER, name_karyotype
from cytogenetics.karyotypes.thresholds import CellThresholds
from cytogenetics.karyotyping.cell_model import CellModel, CellPrediction
from cytogenetics.karyotyping.karyotype_request import FixedClasses
from cytogenetics.karyotyping.metaphases import MetaphaseFile
from cytogenetics.synthesis.assigned_karyogram import Karyogram

from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES
from karyocyte.common.text import counted
from karyocyte.config.data import PrepareConfig

IMPROBABLE = "no class is probable for the network, and the cell is more probable without it"
UNLIKELY = 0.5  # probability that a picture shows a chromosome that no class is probable of
NO_CHROMOSOME = "no chromosome: the choice of boxes leaves this one out"
LISTED = 5  # files in a reason
TWO = 1.4  # times the area of another chromosome of the class; in 5 % of normal cells a homologue is so large
# Times the area of its homologue, at one scale and so of about one width: of 35 such pairs of validation pictures 26
# have a wrong chromosome, and 2 of 22 cells without an error have one.
UNEQUAL = 2.0
LEFT_OUT = {
    "broken": "that cannot be read",
    "left_out": "left out, as showing no single chromosome",
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
    copies: tuple[str, ...] = ()  # which files may be copies, in sentences, see ``copies_of_extra``
    failed: str | None = None  # why all cells look as if a reader had failed (`why_failed`)
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
    def out_of_distribution(self) -> list[str]:
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
    def unequal(self) -> list[tuple[str, str]]:
        """The names of two used files of an autosome of which one is more than UNEQUAL times as large as the other."""
        found = []
        for kind in AUTOSOMES:
            of_kind = [file for file, call in self.calls if call is not None and call.assigned == kind]
            if len(of_kind) == 2:
                smaller, larger = sorted(of_kind, key=lambda file: file.area)
                if larger.area > UNEQUAL * smaller.area:
                    found.append((larger.file.name, smaller.file.name))
        return found

    @property
    def doubtful_files(self) -> set[str]:
        """The names of used files whose class is in doubt, by itself, by its image alone or by the size of two."""
        names = {name for pair in self.unequal for name in pair}
        for file, call in self.calls:
            if call is not None and (call.doubtful or call.assigned_alone < (self.thresholds.alone or 0.0)):
                names.add(file.file.name)
        return names

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
        if self.failed:
            return (self.failed,)
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
        reasons += self.copies
        for kind, text in LEFT_OUT.items():
            if counts[kind]:
                reasons.append(f"{counted(counts[kind], 'file')} {text}")
        # One image tells little, the mean of a cell much: alone it refers a cell only where the mean cannot.
        if (unlike := self.out_of_distribution) and (reasons or self.thresholds.distance is None):
            named = ", ".join([*unlike[:LISTED], "..."] if len(unlike) > LISTED else unlike)
            reasons.append(
                f"{len(unlike)} of {len(self.files)} files out of distribution, unlike the training images: {named}"
            )
        if self.karyotype.missing and (pairs := self.pairs):
            reasons.append(f"two chromosomes in one picture? {', '.join(pairs)}")
        return tuple(reasons)


def name_cell(
    given: CellInput, model: CellModel, config: KaryotypeConfig, thresholds: CellThresholds, pool: Executor
) -> tuple[CellResult, CellPrediction]:
    """Read a cell, predict its chromosomes and name its karyotype; return it with the predictions of its used files."""
    files = read_cell(given.cell, model.prepare, given.fixed, pool, of_boxes=given.metaphase is not None)
    predicted = model.predict(used_files(files), pool)
    fixed = _fixed_rows(files, given.fixed)
    names = [file.file.name for file in used_files(files)]
    boxes, cause = None, NO_CHROMOSOME
    if given.metaphase is not None and given.metaphase.boxes is not None:
        found = [*given.metaphase.found]
        boxes = given.metaphase.boxes.of(np.array([found.index(name) for name in names], int))
    elif (unlikely := implausible(predicted.log_probabilities)).any():
        boxes, cause = Boxes.apart(np.where(unlikely, UNLIKELY, 1.0)), IMPROBABLE
    if boxes is None:
        karyotype = karyotype_of_cell(predicted.log_probabilities, config, fixed, config.refer_below, model.balanced)
    else:
        settings = NamingSettings(config, config.refer_below, model.balanced)
        # A doubtful box is kept where the karyotype lacks a chromosome, so both are decided together.
        karyotype, _, kept = karyotype_of_boxes(predicted.log_probabilities, boxes, fixed, settings)
        if len(kept) < len(names):
            files = leave_out(files, set(names) - {names[row] for row in kept}, cause)
            predicted = predicted.of(kept)
    distances = {}
    for file, distance in zip(used_files(files), predicted.out_of_distribution.tolist(), strict=True):
        # How unlike the training images a chromosome looks no longer matters once an expert has named it.
        if not np.isnan(distance) and given.fixed.get(file.file.name) not in CHROMOSOMES:
            distances[file.file.name] = distance
    result = CellResult(
        **vars(given),
        files=tuple(replace(file, pixels=None) for file in files),
        karyotype=karyotype,
        distances=distances,
        thresholds=thresholds,
        copies=copies_of_extra(used_files(files), karyotype, model.prepare),
    )
    if result.markers:
        result = replace(result, karyotype=_with_markers(karyotype, result.markers))
    if used := used_files(files):
        predicted = predicted._replace(pictures=model.pictures(used, predicted.upside_down, pool))
    return result, predicted


def copies_of_extra(files: Sequence[CellFile], karyotype: CellKaryotype, prepare: PrepareConfig) -> tuple[str, ...]:
    """Say which used files of a class that has a chromosome too many look like a copy of another, in any orientation.

    Files whose class an expert has fixed are no copies.
    """
    rows = [row for row, call in enumerate(karyotype.calls) if call.assigned in karyotype.extra and not call.fixed]
    if not rows:
        return ()
    alike = likeness(files, prepare)
    copies = {}
    for row in rows:
        other = int(alike[row].argmax())
        if alike[row, other] > ALIKE:
            one, another = sorted((files[row].file.name, files[other].file.name))
            copies[one, another] = f"{one} and {another} look like two pictures of one chromosome"
    return tuple(copies.values())


def _fixed_rows(files: list[CellFile], fixed: FixedClasses) -> dict[int, int]:
    """Return the classes that are fixed of used files, as indices into CHROMOSOMES, by their row."""
    rows = {}
    for row, file in enumerate(used_files(files)):
        if file.file.name in fixed:
            rows[row] = CHROMOSOMES.index(fixed[file.file.name])
    return rows


def _with_markers(cell: CellKaryotype, markers: int) -> CellKaryotype:
    """Count so many chromosomes that are of no class in all karyotypes of a cell."""
    candidates = []
    for one in cell.candidates:
        candidates.append(replace(one, karyotype=name_karyotype({**Counter(one.names), MARKER: markers})))
    return replace(cell, candidates=tuple(candidates))
