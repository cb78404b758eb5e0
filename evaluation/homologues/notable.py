"""Test pairs that are worth looking at: the surest, false alarms, missed ones, and those in doubt."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.karyotype import CHROMOSOMES
from evaluation.homologues.items import ABNORMAL, CALLS, CONTROL, NORMAL, PairItems

SPECIFICITY = 0.95  # of normal validation pairs at the threshold
LARGE = 0.15  # of the length: what should be found
# Columns of a group, and of the table of all.
COLUMNS = (
    "image_id",
    "subject",
    "cell",
    "chromosome",
    "kind",
    "size",
    "calibrated",
    "found",
    "called",
    "called_probability",
    "changed",
    "first_changed",
    "place",
    "hit",
)


@dataclass(frozen=True)
class PairGroup:
    """Some pairs.

    Attributes:
        name: Of the group: letters and "-".
        title: What they are.
        reading: A sentence on how they are chosen.
        pairs: A row each, COLUMNS; ``found`` tells whether the score is above the threshold, ``called`` the most
            probable kind.
    """

    name: str
    title: str
    reading: str
    pairs: pd.DataFrame


def notable_pairs(items: PairItems, count: int) -> list[PairGroup]:
    """Return groups of at most ``count`` test pairs of one run; a case shows each chromosome once in a group."""
    threshold = float(items.thresholds(SPECIFICITY)[0])
    test = _described(items.part("test"), threshold)
    abnormal = test[test["kind"].isin(ABNORMAL)]
    untouched, surgery = test[test["kind"] == NORMAL[0]], test[test["kind"].isin((*NORMAL[1:], CONTROL))]
    large = abnormal[abnormal["size"] >= LARGE]
    score = "standard deviations of normal pairs of the chromosome"
    return [
        PairGroup(
            "sure",
            "Rearranged, highest scores",
            "The rearranged pairs that the network is surest of.",
            _first(abnormal, -abnormal["calibrated"], count),
        ),
        PairGroup(
            "false-alarms",
            "Untouched, highest scores",
            f"Normal pairs as they are; above {threshold:.2f} {score} they are false alarms.",
            _first(untouched, -untouched["calibrated"], count),
        ),
        PairGroup(
            "null-surgery",
            "Rejoined or exchanged, highest scores",
            "Normal pairs that were cut and rejoined, or that exchanged a segment.",
            _first(surgery, -surgery["calibrated"], count),
        ),
        PairGroup(
            "missed",
            "Rearranged, lowest scores",
            f"Rearrangements of {LARGE:.0%} of the length and more that the network takes for normal.",
            _first(large, large["calibrated"], count),
        ),
        PairGroup(
            "in-doubt",
            "Nearest to the threshold",
            f"Normal and rearranged pairs whose scores are nearest to {threshold:.2f} {score}.",
            _first(test, (test["calibrated"] - threshold).abs(), count),
        ),
    ]


def _described(test: pd.DataFrame, threshold: float) -> pd.DataFrame:
    kinds = test[[f"prob_{name}" for name in CALLS]].to_numpy()
    return test.assign(
        cell=test["cell_name"],
        chromosome=np.array(CHROMOSOMES, object)[test["chromosome"]],
        found=test["calibrated"] > threshold,
        called=np.array(CALLS, object)[kinds.argmax(axis=1)],
        called_probability=kinds.max(axis=1),
    )


def _first(pairs: pd.DataFrame, order: pd.Series, count: int) -> pd.DataFrame:
    """Return the pairs of lowest ``order``, one of each case and chromosome."""
    in_order = pairs.loc[order.sort_values(kind="stable").index]
    return in_order.drop_duplicates(["cluster", "chromosome"]).head(count)[list(COLUMNS)].reset_index(drop=True)
