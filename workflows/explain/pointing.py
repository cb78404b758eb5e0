"""Localisation: how much of a heat map lies in the true place.

Pointing game (Zhang et al., Top-down Neural Attention by Excitation Backprop, 2016, section 4.1): a hit where the
greatest heat is in the true place, or within 15 pixels of it on images of about 500: here the same share of the longer
side. Energy: the share of all heat in the true place (Wang et al., Score-CAM, 2020, section 4.2). Each is compared with
its level by chance.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.intervals.bootstrap import around
from evaluation.metrics.classification import DIFFERENCE, Metric
from evaluation.result import Interval

TOLERANCE = 15 / 500  # of the longer side of the image
ALL = "all"
CORRECT = "classified correctly"  # a group in the tables: karyograms that are predicted correctly
# Baselines: a map that is the same everywhere on the sheet, or on its chromosomes alone, and the same heat on the
# places of other sheets, for a model that always attends to some places.
HITS = ("pointing", "pointing_near")
SHARES = ("energy", "area", "area_near", "area_of_chromosomes", "pointing_elsewhere", "energy_elsewhere")
GAINS = ("pointing_gain", "energy_gain", "pointing_gain_elsewhere", "energy_gain_elsewhere", "energy_gain_chromosomes")
MEASURES = (*HITS, *SHARES, *GAINS)


def measure(
    heat: np.ndarray, place: np.ndarray, chromosomes: np.ndarray, tolerance: float = TOLERANCE
) -> dict[str, Any]:
    """Measure how much of a heat map, float, shape (H, W), 0 and more, lies in the true place, bool, not empty.

    Returns:
        ``pointing`` (the share of the hottest pixels, mostly one, in the place; 0 without any heat), ``pointing_near``
        (those within ``tolerance`` times the longer side of it), ``energy`` (NaN without any heat), and their levels by
        chance: ``area`` (the place's share of the image), ``area_near`` and, of a map on the ``chromosomes`` alone,
        ``area_of_chromosomes``.
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


def elsewhere(
    heats: Sequence[np.ndarray], places: Sequence[np.ndarray], cells: Sequence[str]
) -> list[dict[str, float]]:
    """Measure each heat map, float, shape (H, W), on the true places of the others, bool, shape (H, W).

    That is the level of a model that always attends to some places. Sheets of the same cell are left out.

    Returns:
        ``pointing_elsewhere`` and ``energy_elsewhere`` of each map, means over the other places; NaN without any, or
        without heat (the energy).
    """
    measured = []
    for heat, cell in zip(heats, cells, strict=True):
        others = [place for place, other in zip(places, cells, strict=True) if other != cell]
        row = {"pointing_elsewhere": np.nan, "energy_elsewhere": np.nan}
        if others:
            share = np.mean(others, axis=0)
            row = {"pointing_elsewhere": _pointing(heat, share), "energy_elsewhere": _energy(heat, share)}
        measured.append(row)
    return measured


def widened(place: np.ndarray, tolerance: float) -> np.ndarray:
    """Return a place (H, W) and all within ``tolerance`` times its longer side of it, bool."""
    distance = cv2.distanceTransform((~place).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= tolerance * max(place.shape))


def summarise(table: pd.DataFrame, predictions: Predictions, settings: EvaluationConfig) -> pd.DataFrame:
    """Average over images, with intervals that resample subjects: all, the correctly predicted, and each kind.

    Args:
        table: A row per image: ``image_id``, ``kind``, ``called`` (bool: whether the prediction is correct), ``empty``
            (bool: no heat) and the values of ``measure`` and ``elsewhere``.
        predictions: Of these images, with their subjects.
        settings: Number of resamples, confidence, seed.

    Returns:
        A row per group: ``images``, ``subjects`` (NaN where unknown), ``empty`` (images without heat), and each of
        MEASURES with ``_low`` and ``_high``. The gains are differences, image by image, to the levels by chance;
        undefined values (NaN) are left out of the mean.
    """
    table = table.reset_index(drop=True)
    table["energy_gain_chromosomes"] = table["energy"] - table["area_of_chromosomes"]
    for name in ("pointing", "energy"):
        table[f"{name}_gain"] = table[name] - table["area"]
        table[f"{name}_gain_elsewhere"] = table[name] - table[f"{name}_elsewhere"]
    groups = {ALL: np.ones(len(table), bool), CORRECT: table["called"].to_numpy()}
    groups |= {kind: (table["kind"] == kind).to_numpy() for kind in sorted(table["kind"].dropna().unique())}
    rows = []
    for name, selected in groups.items():
        if selected.any():
            rows.append({"group": name, **_summarise_group(table[selected], predictions, settings)})
    return pd.DataFrame(rows)


def _summarise_group(
    table: pd.DataFrame, predictions: Predictions, settings: EvaluationConfig
) -> dict[str, float | None]:
    frame = predictions.frame.set_index("image_id").loc[table["image_id"]].reset_index()
    labelled = score(replace(predictions, frame=frame))
    # Where none, or all, of the images are hits the interval is exact.
    metrics = dict.fromkeys(HITS, Metric(is_share=True)) | dict.fromkeys(SHARES, Metric())
    means = _means(table, metrics | dict.fromkeys(GAINS, DIFFERENCE), labelled, settings)
    empty = int(table["empty"].sum())
    row: dict[str, float | None] = {"images": len(table), "subjects": labelled.subjects, "empty": empty}
    for name in MEASURES:
        interval = means[name]
        row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return row


def _means(
    table: pd.DataFrame, metrics: dict[str, Metric], labelled: LabelledPredictions, settings: EvaluationConfig
) -> dict[str, Interval]:
    """The mean of each column over the images, with an interval by subject; NaN is left out."""
    groups = table[list(metrics)].astype(np.float64).groupby(labelled.clusters)
    sums = groups.sum().to_numpy()
    numbers = groups.count().to_numpy()

    def means(counts: np.ndarray) -> np.ndarray:
        total = counts @ numbers
        return np.asarray(np.divide(counts @ sums, total, out=np.full(total.shape, np.nan), where=total > 0).T)

    return around(means, metrics, labelled, settings)


def _pointing(heat: np.ndarray, place: np.ndarray) -> float:
    """The mean of a place, or of a share in [0, 1], over the hottest pixels; 0 without any heat."""
    top = heat.max()
    return float(place[heat == top].mean()) if top > 0 else 0.0


def _energy(heat: np.ndarray, place: np.ndarray) -> float:
    """The share of the heat that lies in a place, or in pixels weighted by a share; NaN without any heat."""
    total = heat.sum(dtype=np.float64)
    return float((heat * place).sum(dtype=np.float64) / total) if total > 0 else float("nan")
