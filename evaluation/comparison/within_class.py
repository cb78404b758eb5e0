"""Abnormal against normal chromosomes of another data set, each within its class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from evaluation.error_analysis.examples import PLAIN, draw_sheet, end_of
from evaluation.intervals.methods import SHARE, t_on_scale

NORMAL = "normal"
POOLED = "without class"
ALL = "all"
SHOWN = 12  # chromosomes with the highest and with the lowest scores, each
ENLARGED = 3


def within_class(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Compute how well scores tell each group from the normal ones.

    A group whose classes are known is compared within each class: a row for each, and the mean over the classes; the
    others are compared with all normal ones as if no class were known. Intervals: jackknife over
    images, t on the logit scale.

    Args:
        table: A row per image: ``class`` (None where unknown), ``group`` and ``score``; ``score_any`` too where a class
            is unknown.
        confidence: Of the intervals, 0 to 1.

    Returns:
        A row per group and class: ``group``, ``class``, ``images``, ``normal``, ``auroc``, ``low``, ``high``.
    """
    rows = []
    normal = table[table["group"] == NORMAL]
    for group, members in table[table["group"] != NORMAL].groupby("group", sort=False):
        known = members["class"].notna()
        strata = [(name, of_class) for name, of_class in members[known].groupby("class", sort=False)]
        pairs = [(one["score"], normal.loc[normal["class"] == name, "score"]) for name, one in strata]
        pairs = [(abnormal.to_numpy(), other.to_numpy()) for abnormal, other in pairs if len(other)]
        if pairs:
            rows.append({"group": group, "class": ALL, **_mean_auroc(pairs, confidence)})
            names = [name for name, _ in strata if (normal["class"] == name).any()]
            rows += [
                {"group": group, "class": name, **_mean_auroc([pair], None)}
                for name, pair in zip(names, pairs, strict=True)
            ]
        if (~known).any() and len(normal):
            pair = (members.loc[~known, "score_any"].to_numpy(), normal["score_any"].to_numpy())
            rows.append({"group": group, "class": POOLED, **_mean_auroc([pair], confidence)})
    return pd.DataFrame(rows)


def _mean_auroc(pairs: Sequence[tuple[np.ndarray, np.ndarray]], confidence: float | None) -> dict[str, Any]:
    """Return mean AUROC over pairs of scores, abnormal and normal ones, with its interval and the numbers of images."""
    counts = {"images": sum(len(one) for one, _ in pairs), "normal": sum(len(other) for _, other in pairs)}
    mean = float(np.mean([auroc(*pair) for pair in pairs]))
    ends = None if confidence is None else t_on_scale(mean, _without_each(pairs), confidence, SHARE)
    low, high = (None, None) if ends is None else ends[:2]
    return {**counts, "auroc": mean, "low": low, "high": high}


def _without_each(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the mean AUROC without each image in turn, float64; NaN where a pair has no other image of its side."""
    values = np.array([auroc(*pair) for pair in pairs])
    means = []
    for number, pair in enumerate(pairs):
        rest = values.sum() - values[number]
        for side in (0, 1):
            for image in range(len(pair[side])):
                left = [np.delete(scores, image) if side == which else scores for which, scores in enumerate(pair)]
                means.append((rest + auroc(*left)) / len(pairs))
    return np.array(means)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the share of the pairs in which the positive one has the higher score, ties by half; NaN without any."""
    if not len(positive) or not len(negative):
        return float("nan")
    difference = positive[:, None] - negative
    return float(((difference > 0) + (difference == 0) / 2).mean())


def draw_extremes(path: Path, table: pd.DataFrame, strips: np.ndarray, about: dict[str, Any]) -> None:
    """Draw the chromosomes with the highest and the lowest scores, each with the nearest normal one on its right.

    A red line on the left marks the hottest place, a tenth of the length.

    Args:
        path: PNG to write.
        table: A row per image, the first strips in their order: ``file``, ``group``, ``compared_as``,
            ``relative``, ``hottest`` and ``partner`` (the strip of the nearest normal one).
        strips: Straightened chromosomes from their first rows on, uint8, bright on black, shape (N, H, W).
        about: Facts of the run, for the title.
    """
    order = table["relative"].to_numpy().argsort()[::-1]
    chosen = {"highest scores relative to normal ones of the class; the nearest normal one on the right": order[:SHOWN]}
    chosen["lowest scores"] = order[max(SHOWN, len(order) - SHOWN) :]
    examples = {}
    for heading, rows in chosen.items():
        if len(rows):
            examples[heading] = [(_beside(table.iloc[row], strips, row), _caption(table.iloc[row])) for row in rows]
    draw_sheet(path, about, examples, SHOWN, 1.5)


def _caption(row: pd.Series) -> list[tuple[str, str]]:
    group = "" if pd.isna(row["group"]) else f", {row['group']}"
    return [
        (f"{row['compared_as']}{group}", PLAIN),
        (f"{row['relative']:+.1f} s.d.", PLAIN),
        (end_of(row["file"], 16), PLAIN),
    ]


def _beside(row: pd.Series, strips: np.ndarray, number: int) -> np.ndarray:
    """Return a chromosome and its partner, dark on white, with the mark, uint8 RGB."""
    both = [strips[number], strips[row["partner"]]]
    lengths = [int(np.flatnonzero(strip.any(axis=1)).max(initial=0)) + 1 for strip in both]
    height = strips.shape[1]
    image = np.full((height, 8 + 2 * strips.shape[2]), 255, np.uint8)
    for place, (strip, length) in enumerate(zip(both, lengths, strict=True)):
        left = 8 + place * strip.shape[1]
        top = (height - length) // 2
        image[top : top + length, left : left + strip.shape[1]] = 255 - strip[:length]
    picture = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    middle = (height - lengths[0]) // 2 + row["hottest"] * lengths[0]
    reach = max(0.05 * lengths[0], 1)
    picture[round(middle - reach) : round(middle + reach) + 1, 3:6] = (213, 94, 0)
    return cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
