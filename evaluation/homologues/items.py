"""The items of comparisons of homologues: what was done to each pair, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.errors import UserError
from common.karyotype import CHROMOSOMES
from common.predictions import VALIDATION, Predictions
from evaluation.homologues.calibration import Calibration

UNTOUCHED = "untouched"
NORMAL = (UNTOUCHED, "rejoined", "exchanged")
CONTROL = "exchanged end"  # normal, of one seam, and never trained on
# The kinds of rearrangements, and what the network calls each.
CALLED = {
    "deletion": "deletion",
    "terminal deletion": "deletion",
    "duplication": "duplication",
    "paracentric inversion": "inversion",
    "pericentric inversion": "inversion",
    "translocation": "translocation",
    "translocation partner": "translocation",
}
ABNORMAL = tuple(CALLED)
TRANSLOCATION, PARTNER = ABNORMAL[-2:]
BOTH_SIDES = "translocation, both"
IN_CELLS = ABNORMAL[:-1]  # the kinds of abnormal cells: one with a translocation has its partner, too
CALLS = tuple(dict.fromkeys(CALLED.values()))
COLUMNS = (
    "image_id",
    "kind",
    "chromosome",
    "subject",
    "cell",
    "score",
    "size",
    "arm_change",
    "hit",
    "chance",
    "longer",
    *(f"{end}_{side}" for side in ("first", "second") for end in ("start", "stop")),
    "changed",
    "event",
)


@dataclass(frozen=True)
class PairItems:
    """The validation and test items of one run, or of the folds of one experiment.

    Attributes:
        frame: A row per item: the columns of pairs.parquet, ``part`` as in the predictions, ``fold`` (number of the
            run), ``cluster`` (number of the case; of the cell where no case is known), ``cell`` and ``chromosome`` as
            numbers, the latter indices into CHROMOSOMES, and ``calibrated``, see `Calibration`; of the untouched
            validation pairs that is ``Calibration.reference``.
        calibrations: Of each run.
    """

    frame: pd.DataFrame
    calibrations: tuple[Calibration, ...]

    @classmethod
    def of(cls, runs: Sequence[Predictions], pairs: Sequence[pd.DataFrame]) -> "PairItems":
        """Join predictions with the pairs of the same runs; items that the predictions lack are left out.

        So is the Y, of which only men with XYY have a pair: a mean over chromosomes would count it as much as others.

        Raises:
            UserError: The pairs are of other code, or no normal pair of a run is in its validation part.
        """
        joined = [_joined(run, found) for run, found in zip(runs, pairs, strict=True)]
        frame = pd.concat([each.assign(fold=number) for number, each in enumerate(joined)], ignore_index=True)
        frame["cluster"] = case_numbers(frame)
        cells = frame["cluster"].astype(str) + " " + frame["cell"].astype(str)
        frame["cell_name"] = frame["cell"]
        frame["cell"] = pd.factorize(cells)[0]
        frame["chromosome"] = pd.Index(CHROMOSOMES).get_indexer(frame["chromosome"])
        calibrations = []
        frame["calibrated"] = np.nan
        for number in range(len(runs)):
            rows = frame["fold"] == number
            known = frame[rows & (frame["part"] == VALIDATION) & (frame["kind"] == UNTOUCHED)]
            if not len(known):
                raise UserError(
                    f"run {number + 1} has no normal pairs in its validation part, which calibrate its scores: train "
                    "with split.validation above 0"
                )
            columns = known["chromosome"].to_numpy(), known["cluster"].to_numpy()
            calibration = Calibration.fit(known["score"].to_numpy(float), *columns)
            scores = calibration(frame.loc[rows, "score"].to_numpy(float), frame.loc[rows, "chromosome"].to_numpy())
            frame.loc[rows, "calibrated"] = scores
            frame.loc[known.index, "calibrated"] = calibration.reference
            calibrations.append(calibration)
        return cls(frame, tuple(calibrations))

    def part(self, part: str) -> pd.DataFrame:
        """Return the items of one part, "validation" or "test"."""
        return self.frame[self.frame["part"] == part].reset_index(drop=True)

    def thresholds(self, specificity: float) -> np.ndarray:
        """Return the calibrated score of each run above which so many of its untouched validation pairs are not."""
        return np.array([calibration.threshold(specificity) for calibration in self.calibrations])


def both_sides(items: pd.DataFrame) -> pd.DataFrame:
    """Return the two chromosomes of translocations together, and the same two chromosomes of the cell when normal.

    Args:
        items: Rearranged and normal ones, with the columns of ``PairItems.frame``.

    Returns:
        Rows like those of the first chromosome; ``score`` is the sum of both calibrated scores.
    """
    cells = ["fold", "cell", "chromosome", "kind"]
    partners = items[items["kind"] == PARTNER].set_index(["fold", "event"])
    translocated = items[items["kind"] == TRANSLOCATION].join(
        partners[["chromosome", "calibrated"]], on=["fold", "event"], rsuffix="_partner", how="inner"
    )
    found = [translocated.assign(score=translocated["calibrated"] + translocated["calibrated_partner"])]
    normal = items[items["kind"].isin(NORMAL)].groupby(cells)["calibrated"].mean()
    for kind in NORMAL:
        first, second = (
            normal.reindex(
                pd.MultiIndex.from_frame(translocated.assign(kind=kind, chromosome=translocated[name])[cells])
            )
            for name in ("chromosome", "chromosome_partner")
        )
        found.append(translocated.assign(kind=kind, score=first.to_numpy() + second.to_numpy()))
    return pd.concat(found, ignore_index=True).dropna(subset="score")


def case_numbers(pairs: pd.DataFrame) -> np.ndarray:
    """Return the number of the case of each item, of its cell where no case is known: int64, shape (N,)."""
    cases = pairs["subject"].where(pairs["subject"].notna(), "cell " + pairs["cell"].astype(str))
    return np.asarray(pd.factorize(cases)[0].astype(np.int64))


def _joined(run: Predictions, found: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise UserError(f"the pairs of {run.about.get('name')} have no column {missing[0]}: train again")
    strange = sorted(set(found["kind"]) - {*NORMAL, CONTROL, *ABNORMAL})
    if strange:
        raise UserError(f"the pairs of {run.about.get('name')} are of an unknown kind, {strange[0]}: train again")
    parts = run.frame.set_index("image_id")["part"]
    known = found[found["image_id"].isin(parts.index) & (found["chromosome"] != "Y")]
    return known.assign(part=known["image_id"].map(parts))
