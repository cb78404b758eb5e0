"""What is reported of one cell: its karyotype, its chromosomes with their doubts, and whether an expert should look."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from cytogenetics.cells.cell_settings import NamingSettings
from cytogenetics.cells.posterior import Candidate, karyotype_posterior, size_refusal
from cytogenetics.karyotypes.naming import Karyotype
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES
from karyocyte.common.text import counted

DOUBTFUL = 0.9  # a chromosome whose class is less probable, given all others of its cell, is in doubt
IMPLAUSIBLE = 0.2  # no class of a chromosome alone is so probable: of 4,732 real test chromosomes none
CONTRADICTED = 0.03  # probability that an image alone gives its class: below, it contradicts the class
# Errors that are expected for an image that was cut out of a picture and contradicts its class: of 19 cells with one
# and no other doubt 10 have an error.
HALF_WRONG = 0.5
LEAST_SAID = 0.05  # expected wrong boxes that a reason names
MOST_LISTED = 4  # other classes of a chromosome
MOST_NAMED = 3  # karyotypes of a cell that is in doubt
LEAST_LISTED = 0.001  # probability of another class that is listed
MOST_IMPLAUSIBLE = 0.25  # of a cell's pictures; where there are more, the model does not fit the cell


@dataclass(frozen=True)
class ChromosomeCall:
    """The class of one chromosome."""

    assigned: str  # its class in the most probable karyotype; where there is none, its most probable class alone
    probability: float  # of this class, given all chromosomes of the cell; where there is no karyotype, alone
    runner_up: str  # the most probable other class, likewise
    runner_up_probability: float  # its probability
    alone: str  # the most probable class of the image alone
    alone_probability: float  # its probability
    assigned_alone: float  # the probability of ``assigned`` by the image alone
    fixed: bool  # whether an expert has fixed the class

    @cached_property
    def doubtful(self) -> bool:
        """Whether another class is possible: the probability is below DOUBTFUL, and no expert has fixed it."""
        return not self.fixed and self.probability < DOUBTFUL

    @property
    def is_contradicted(self) -> bool:
        """Whether the image alone speaks against the class, and no expert has fixed it."""
        return not self.fixed and self.assigned_alone < CONTRADICTED

    @cached_property
    def question(self) -> str:
        """The other class that is possible, such as "21?"; "" without doubt."""
        return f"{self.runner_up}?" if self.doubtful else ""


@dataclass(frozen=True)
class CellKaryotype:
    """The karyotype of one cell."""

    # karyotypes with their probabilities, the most probable first; empty where none can be named
    candidates: tuple[Candidate, ...]
    calls: tuple[ChromosomeCall, ...]  # of each chromosome, in the order of the images
    reasons: tuple[str, ...]  # why an expert should look; empty where nothing is in doubt
    # the probability of each class given all chromosomes; where there is no karyotype, alone; float64, shape (n, 24)
    joint: np.ndarray = field(repr=False, compare=False)
    boxes_wrong: float = 0.0  # expected number of boxes that are no chromosome, and of chromosomes that are left out
    of_boxes: bool = False  # whether the images were cut out of a picture

    @cached_property
    def karyotype(self) -> Karyotype | None:
        """The most probable karyotype."""
        return self.candidates[0].karyotype if self.candidates else None

    @cached_property
    def probability(self) -> float | None:
        """The probability of the most probable karyotype."""
        return self.candidates[0].probability if self.candidates else None

    @cached_property
    def doubtful(self) -> int:
        """The number of chromosomes in doubt."""
        return sum(call.doubtful for call in self.calls)

    @cached_property
    def expected_wrong(self) -> float:
        """The expected number of chromosomes in a wrong class and of wrong boxes; what an expert has fixed is right."""
        of_classes = sum(1 - call.probability for call in self.calls if not call.fixed)
        return of_classes + self.boxes_wrong + HALF_WRONG * len(self.contradicted)

    @cached_property
    def contradicted(self) -> list[int]:
        """The rows of images out of a picture that contradict their class: the box may be wrong, or the cut."""
        return [row for row, call in enumerate(self.calls) if self.of_boxes and call.is_contradicted]

    def doubts(self, distance: float, thresholds: CellThresholds, names: Sequence[str]) -> list[str]:
        """Return which thresholds the cell is above, as reasons to refer it.

        An unknown ``distance`` is NaN; ``names`` are those of the images for a reader, such as "box 7".
        """
        reasons = []
        if self.expected_wrong > thresholds.expected_wrong:
            text = f"about {self.expected_wrong:.1f} of {len(self.calls)} chromosomes may be wrong"
            if self.boxes_wrong >= LEAST_SAID:
                text += f", {self.boxes_wrong:.1f} of them by a wrong or missing box"
            if self.contradicted:
                listed = ", ".join(f"{names[row]} (class {self.calls[row].assigned})" for row in self.contradicted)
                text += f"; the image contradicts the class of {listed}"
            reasons.append(text)
        if thresholds.distance is not None and distance > thresholds.distance:
            reasons.append(f"mean distance from the training images {distance:.3g}, above {thresholds.distance:.3g}")
        return reasons

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """The classes that lack a chromosome of two, each as often as one is lacking; "X or Y" beside an X or none."""
        if self.karyotype is None:
            return ()
        counts = Counter(call.assigned for call in self.calls)
        autosomes = Counter(2 * AUTOSOMES) - counts
        sexes = ["X" if counts["Y"] else "X or Y"] * (2 - counts["X"] - counts["Y"])
        return (*autosomes.elements(), *sexes)

    def others(self, row: int) -> list[tuple[str, float]]:
        """Return the most probable other classes of a chromosome with their probabilities."""
        return likely_classes(self.joint[row], self.calls[row].assigned)


def likely_classes(probabilities: np.ndarray, without: str = "") -> list[tuple[str, float]]:
    """Return the most probable classes, without one, of probabilities in the order of CHROMOSOMES."""
    others = [one for one in zip(CHROMOSOMES, probabilities.tolist(), strict=True) if one[0] != without]
    return sorted((one for one in others if one[1] >= LEAST_LISTED), key=lambda one: -one[1])[:MOST_LISTED]


def karyotype_of_cell(
    log_probabilities: np.ndarray, fixed: Mapping[int, int], settings: NamingSettings
) -> CellKaryotype:
    """Name the karyotype of a cell.

    Args:
        log_probabilities: Calibrated, of each chromosome alone, natural logarithms, float64, shape (n, 24), in the
            order of CHROMOSOMES; any number of chromosomes, also none.
        fixed: Classes (index into CHROMOSOMES) that an expert has fixed, by the number of the chromosome.
        settings: How cells are named.
    """
    count = len(log_probabilities)
    alone = np.exp(log_probabilities)
    if size_refusal(count):
        joint = alone.copy()
        for row, kind in fixed.items():
            joint[row] = np.eye(len(CHROMOSOMES))[kind]
        calls = _calls(joint.argmax(axis=1), joint, alone, fixed)
        why = "no chromosome can be read"
        if count:
            why = f"{size_refusal(count)}; the classes are those of each image alone"
        return CellKaryotype((), calls, (f"no karyotype: {why}",), joint)
    candidates, marginals = karyotype_posterior(log_probabilities, settings.priors, fixed, settings.balanced)
    return named_cell(candidates, marginals, log_probabilities, settings.refer_below, fixed)


def named_cell(
    candidates: Sequence[Candidate],
    joint: np.ndarray,
    log_probabilities: np.ndarray,
    refer_below: float,
    fixed: Mapping[int, int] = MappingProxyType({}),
) -> CellKaryotype:
    """Return a cell by its karyotypes, the most probable first, and ``CellKaryotype.joint``; others: see above."""
    calls = _calls(candidates[0].classes, joint, np.exp(log_probabilities), fixed)
    cell = CellKaryotype(tuple(candidates), calls, (), joint)
    reasons = _reasons(cell, refer_below)
    unlikely = int(np.delete(_unlikely(log_probabilities), list(fixed)).sum())
    if unlikely:
        of_many = ": the model does not fit them" if unlikely > MOST_IMPLAUSIBLE * len(calls) else ""
        reasons = (f"no class is probable for {unlikely} of {counted(len(calls), 'image')}{of_many}", *reasons)
    return replace(cell, reasons=reasons)


def implausible(log_probabilities: np.ndarray) -> np.ndarray:
    """Return which images, bool, shape (n,), no class is plausible of: they hardly show a chromosome.

    None where this is so of many: then it says something of the model, not of the images.
    """
    unlikely = _unlikely(log_probabilities)
    if unlikely.sum() > MOST_IMPLAUSIBLE * len(unlikely):
        return np.zeros_like(unlikely)
    return unlikely


def _unlikely(log_probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(log_probabilities.max(axis=1, initial=-np.inf) < np.log(IMPLAUSIBLE))


def _calls(
    assigned: np.ndarray, joint: np.ndarray, alone: np.ndarray, fixed: Mapping[int, int]
) -> tuple[ChromosomeCall, ...]:
    calls = []
    for row, kind in enumerate(assigned):
        others = joint[row].copy()
        others[kind] = -1.0
        runner_up = int(others.argmax())
        most = int(alone[row].argmax())
        call = ChromosomeCall(
            CHROMOSOMES[kind],
            float(joint[row, kind]),
            CHROMOSOMES[runner_up],
            float(joint[row, runner_up]),
            CHROMOSOMES[most],
            float(alone[row, most]),
            float(alone[row, kind]),
            row in fixed,
        )
        calls.append(call)
    return tuple(calls)


def _reasons(cell: CellKaryotype, refer_below: float) -> tuple[str, ...]:
    reasons = []
    assert cell.karyotype is not None
    assert cell.probability is not None
    if cell.probability < refer_below:
        others = " or ".join(one.karyotype.iscn for one in cell.candidates[1:MOST_NAMED])
        reasons.append(f"it may be {others}" if others else "the karyotype is not certain")
    if set(AUTOSOMES).intersection(cell.missing):
        reasons.append(f"incomplete: {counted(len(cell.calls), 'chromosome')}, {len(cell.missing)} missing")
    elif "X or Y" in cell.missing:
        reasons.append("fewer than two sex chromosomes: Turner syndrome, or an X or Y was lost")
    elif cell.missing:
        reasons.append("a single Y: an X was lost")
    if cell.karyotype.kind == "unclear":
        reasons.append(f"{cell.karyotype.iscn} is not viable, or several changes at once")
    return tuple(reasons)
