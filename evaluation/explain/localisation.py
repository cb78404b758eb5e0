"""How much of a heat map lies where the truth is known to lie.

The pointing game (Zhang and others, Top-down Neural Attention by Excitation Backprop, 2016, section 4.1): a hit where
the greatest heat is in the true place, or within 15 pixels of it on images of about 500: here the like share of the
longer side. Energy: the share of all heat that lies in the true place (Wang and others, Score-CAM, 2020, section 4.2).
Either must be read beside what a map that knows nothing would reach.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.intervals.bootstrap import Interval, around
from evaluation.intervals.methods import DIFFERENCE, SHARE

TOLERANCE = 15 / 500  # of the longer side of the image
ALL = "all"
CALLED = "called rightly"
# Each against the chance of a map that is the same everywhere on the sheet, or on its chromosomes alone, and against
# the same heat held to the places of other sheets: what looking at some places always would reach.
HITS = ("pointing", "pointing_near")
SHARES = ("energy", "area", "area_near", "area_of_chromosomes", "pointing_elsewhere", "energy_elsewhere")
GAINS = (
    "pointing_gain",
    "energy_gain",
    "pointing_gain_elsewhere",
    "energy_gain_elsewhere",
    "energy_gain_chromosomes",
)
MEASURES = (*HITS, *SHARES, *GAINS)


def measure(heat: np.ndarray, place: np.ndarray, chromosomes: np.ndarray, tolerance: float = TOLERANCE) -> dict:
    """Hold a heat map to the true place.

    Args:
        heat: float, shape (H, W), 0 and more.
        place: bool, shape (H, W), the true place, not empty.
        chromosomes: bool, shape (H, W), all chromosomes with the true place.
        tolerance: How near is near, as a share of the image's longer side.

    Returns:
        ``pointing`` (the share of the hottest pixels, mostly one, that lie in the place: 0 or 1 mostly; 0 without any
        heat), ``pointing_near`` (those within the tolerance), ``energy`` (NaN without any heat), ``area`` (the share of
        the image that the place takes: the chance of the first and the third), ``area_near`` (that of the second) and
        ``area_of_chromosomes`` (the place's share of the chromosomes: the chance of a map that knows these alone).
    """
    near = widened(place, tolerance)
    return {
        "pointing": _pointing(heat, place),
        "pointing_near": _pointing(heat, near),
        "energy": _energy(heat, place),
        "area": float(place.mean()),
        "area_near": float(near.mean()),
        "area_of_chromosomes": float(place.sum() / chromosomes.sum()),
    }


def hottest(heat: np.ndarray) -> tuple[int, int] | None:
    """Return row and column of the (first) hottest point of a map (H, W); None without any heat."""
    if not heat.any():
        return None
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    return int(row), int(column)


def elsewhere(heats: Sequence[np.ndarray], places: Sequence[np.ndarray], cells: Sequence[str]) -> list[dict]:
    """Hold each heat map to the places of the others: what it would reach by looking at some places always.

    Args:
        heats: N maps, float, shape (H, W), 0 and more.
        places: N true places, bool, shape (H, W).
        cells: The cell of each: sheets of one cell are not others.

    Returns:
        A mapping per map: ``pointing_elsewhere`` and ``energy_elsewhere``, means over the other places; NaN without
        any, or without heat (the energy).
    """
    found = []
    for heat, cell in zip(heats, cells, strict=True):
        others = [place for place, other in zip(places, cells, strict=True) if other != cell]
        if others:
            share = np.mean(others, axis=0)
        else:
            share = np.full(heat.shape, np.nan)
        top = (heat == heat.max()) & (heat > 0)
        total = heat.sum(dtype=np.float64)
        found.append(
            {
                "pointing_elsewhere": float(share[top].mean()) if top.any() else (0.0 if others else np.nan),
                "energy_elsewhere": float((heat * share).sum(dtype=np.float64) / total) if total > 0 else np.nan,
            }
        )
    return found


def widened(place: np.ndarray, tolerance: float) -> np.ndarray:
    """Return a place (H, W) and all within ``tolerance`` times its longer side of it, bool."""
    distance = cv2.distanceTransform((~place).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance <= tolerance * max(place.shape)


def summarise(table: pd.DataFrame, predictions: Predictions, settings: EvaluationConfig) -> pd.DataFrame:
    """Average over images, with intervals that resample subjects: all, those called rightly, and kind by kind.

    Args:
        table: A row per image: ``image_id``, ``kind``, ``called`` (bool: whether it is called what it is), ``empty``
            (bool: no heat) and what ``measure`` and ``elsewhere`` say.
        predictions: Hold these images, with their subjects.
        settings: Number of resamples, confidence, seed.

    Returns:
        A row per group: ``group``, ``images``, ``subjects`` (NaN where unknown), ``empty`` (images without heat), and
        each of MEASURES with ``_low`` and ``_high``. The gains are differences, image by image: to ``area``, to
        ``area_of_chromosomes``, and to what the same heat reaches elsewhere; what is undefined for an image (NaN) is
        left out of that mean.
    """
    table = table.reset_index(drop=True)
    table["energy_gain_chromosomes"] = table["energy"] - table["area_of_chromosomes"]
    for name in ("pointing", "energy"):
        table[f"{name}_gain"] = table[name] - table["area"]
        table[f"{name}_gain_elsewhere"] = table[name] - table[f"{name}_elsewhere"]
    groups = {ALL: np.ones(len(table), bool), CALLED: table["called"].to_numpy()}
    groups |= {kind: (table["kind"] == kind).to_numpy() for kind in sorted(table["kind"].dropna().unique())}
    rows = []
    for name, chosen in groups.items():
        if chosen.any():
            rows.append({"group": name, **_of_group(table[chosen], predictions, settings)})
    return pd.DataFrame(rows)


def _of_group(table: pd.DataFrame, predictions: Predictions, settings: EvaluationConfig) -> dict:
    frame = predictions.frame.set_index("image_id").loc[table["image_id"]].reset_index()
    scored = score(Predictions(frame, predictions.classes, predictions.positive_class, predictions.about))
    # A share of images of which none, or all, are hits has an exact interval; intervals know those by their names.
    hits = {f"recall/{name}": table[name] for name in HITS}
    found = _means(pd.DataFrame(hits | {name: table[name] for name in SHARES}), scored, settings, SHARE)
    found |= _means(table[list(GAINS)], scored, settings, DIFFERENCE)
    found = {name.removeprefix("recall/"): one for name, one in found.items()}
    facts = {"images": len(table), "subjects": scored.subjects, "empty": int(table["empty"].sum())}
    return facts | {key: value for name in MEASURES for key, value in _ends(name, found[name]).items()}


def _means(
    columns: pd.DataFrame, scored: LabelledPredictions, settings: EvaluationConfig, bounds: tuple[float, float]
) -> dict[str, Interval]:
    """The mean of each column over the images, with an interval by subject; NaN is left out."""
    values = columns.to_numpy(np.float64)
    known = ~np.isnan(values)
    sums, numbers = np.zeros((2, scored.cluster_count, values.shape[1]))
    np.add.at(sums, scored.clusters, np.where(known, values, 0.0))
    np.add.at(numbers, scored.clusters, known)

    def means(counts: np.ndarray) -> np.ndarray:
        total = counts @ numbers
        return np.divide(counts @ sums, total, out=np.full(total.shape, np.nan), where=total > 0).T

    return around(means, tuple(columns), scored, settings, bounds)


def _ends(name: str, found: Interval) -> dict:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _pointing(heat: np.ndarray, place: np.ndarray) -> float:
    """The share of the hottest pixels that lie in a place; 0 without any heat."""
    top = heat.max()
    if top > 0:
        return float(place[heat == top].mean())
    return 0.0


def _energy(heat: np.ndarray, place: np.ndarray) -> float:
    """The share of the heat that lies in a place; NaN without any heat."""
    total = heat.sum(dtype=np.float64)
    if total > 0:
        return float(heat[place].sum(dtype=np.float64) / total)
    return float("nan")
