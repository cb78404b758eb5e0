"""Smoothness of the outputs of layers, and its correlation with accuracy (paper 002, section 3.3).

The paper compares the outputs of conv1, pool1, pool2 and the last pool. It finds those of VGG smoother than those of
ANet-c6, the last pool's "too smooth", on the data set where VGG is worst, and names lost detail as a possible reason.
If that is general, the correlation of smoothness and accuracy is NEGATIVE: of the models trained on one data set, the
smoother one is less accurate. A correlation of zero, or an interval that spans zero, does not support the claim; a
positive one contradicts it.
"""

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text
from scipy import stats

from common.config.schema import EvaluationConfig
from evaluation.core.formats import interval
from evaluation.intervals.methods import percentiles
from evaluation.terminal import frame_table

NOISE = 2 / np.sqrt(np.pi)  # mean difference of two independent normal neighbours, in standard deviations
CONSTANT = 1e-6  # a map is constant if its standard deviation is at most this share of its largest value: rounding
FEWEST = 4  # runs for an interval of a correlation; that of two is always +-1
FEWEST_OF_A_SET = 3  # runs of a data set: two, standardised, are always +1 and -1
MEASURES = {"smoothness": "own", "smoothness_common": "common"}
POSITION_COLUMNS = ["position", "grid", "coefficient", "value", "low", "high", "method", "runs", "data_sets"]


def total_variation(maps: np.ndarray) -> np.ndarray:
    """Return each map's total variation per pair of neighbours, in units of the map's standard deviation.

    It is the anisotropic total variation (Rudin, Osher and Fatemi 1992; the sum of absolute differences of vertical
    and horizontal neighbours) over the number of these pairs and the standard deviation of the map's values: neither a
    map's size nor the scale and offset of its values count.

    Args:
        maps: float, shape (..., H, W).

    Returns:
        float64, shape (...): 0 where neighbours are alike; 2 / sqrt(pi) = 1.128 on average for independent normal
        noise; 2 for a checkerboard. No map exceeds 2.14. NaN for maps that are constant, or of one value.
    """
    maps = np.asarray(maps, np.float64)
    vertical = np.abs(np.diff(maps, axis=-2))
    horizontal = np.abs(np.diff(maps, axis=-1))
    pairs = np.prod(vertical.shape[-2:]) + np.prod(horizontal.shape[-2:])
    spread = maps.std(axis=(-2, -1))
    size = np.abs(maps).max(axis=(-2, -1))
    variation = (vertical.sum(axis=(-2, -1)) + horizontal.sum(axis=(-2, -1))) / max(pairs, 1)
    varies = spread > CONSTANT * size
    return np.asarray(np.divide(variation, spread, out=np.full(spread.shape, np.nan), where=varies))


def smoothness(maps: np.ndarray) -> np.ndarray:
    """Return 1 - total variation / (2 / sqrt(pi)) of maps (..., H, W): how much more alike neighbours are than noise.

    A finer map of the same picture is the smoother one, since its neighbours lie closer together: where maps differ in
    size, the tables also compare them averaged down to the smallest (``smoothness_common``).

    Returns:
        float64, shape (...): 1 (neighbours are alike), 0 (as in independent noise), -0.77 (a checkerboard), never below
        -0.9; NaN for maps that are constant, or of one value.
    """
    return np.asarray(1 - total_variation(maps) / NOISE)


def mean_smoothness(values: np.ndarray) -> tuple[float, int]:
    """Return the mean over images and channels whose map is not constant (NaN if none), and how many are constant."""
    constant = int(np.isnan(values).sum())
    mean = float(np.nanmean(values)) if constant < values.size else float("nan")
    return mean, constant


def correlations(table: pd.DataFrame, settings: EvaluationConfig) -> pd.DataFrame:
    """Correlate smoothness with accuracy over runs, at each position of the layers.

    Data sets differ in difficulty and in detail. So smoothness and accuracy are first standardised within each data
    set; one with fewer than three runs, or whose runs do not differ, is left out. Intervals: percentiles of a
    bootstrap that draws runs; runs that share a network or data are not independent, so they are rather too narrow.

    Args:
        table: A row per run and layer: position, data_set, run, accuracy, smoothness and smoothness_common (NaN where
            undefined).
        settings: Resamples, confidence and seed.

    Returns:
        A row per position, grid ("own", "common") and coefficient ("spearman", "pearson"), in the columns of
        ``POSITION_COLUMNS``. value is NaN with fewer than three runs, low and high with fewer than four.
    """
    rows = []
    for position, group in table.groupby("position", sort=False):
        for measure, grid in MEASURES.items():
            runs = standardised(group, measure)
            counts = (len(runs), runs["data_set"].nunique())
            for name in ("spearman", "pearson"):
                values = correlation(runs[measure].to_numpy(), runs["accuracy"].to_numpy(), name, settings)
                rows.append((position, grid, name, *values, *counts))
    return pd.DataFrame(rows, columns=POSITION_COLUMNS)


def standardised(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the rows with ``measure`` and accuracy standardised within each data set (see ``correlations``)."""
    defined = table.dropna(subset=[measure, "accuracy"])
    groups = defined.groupby("data_set")[[measure, "accuracy"]]
    spread = groups.transform("std", ddof=0)
    varies = (spread > 1e-9).all(axis=1) & (groups.transform("count") >= FEWEST_OF_A_SET).all(axis=1)
    values = (defined[[measure, "accuracy"]] - groups.transform("mean")) / spread
    return defined.assign(**values)[varies]


def correlation(
    x: np.ndarray, y: np.ndarray, name: str, settings: EvaluationConfig
) -> tuple[float, float | None, float | None, str | None]:
    """Return the "spearman" or "pearson" coefficient of x and y, float64, shape (N,), with its interval.

    The ends of the interval and its method are None with fewer than four points.
    """
    value = _coefficient(x, y, name)
    if len(x) < FEWEST:
        return value, None, None, None
    rows = np.arange(len(x))
    rng = np.random.default_rng(settings.seed)
    drawn = [_coefficient(x[d], y[d], name) for d in rng.choice(rows, (settings.resamples, len(x)))]
    return value, *percentiles(np.array(drawn), settings.confidence)


def _coefficient(x: np.ndarray, y: np.ndarray, name: str) -> float:
    """NaN with fewer than three points, or where either does not vary."""
    if len(x) < 3 or min(np.ptp(x), np.ptp(y)) < 1e-9:
        return float("nan")
    return float({"spearman": stats.spearmanr, "pearson": stats.pearsonr}[name](x, y).statistic)


def smoothness_table(table: pd.DataFrame) -> Table:
    """Draw for the terminal a row per run, with its test accuracy and the smoothness of its layers (own grid)."""
    runs = table.groupby("run", sort=False).first()
    layers = table.pivot(index="run", columns="position", values="smoothness")
    folds = runs["fold"].map("{:g}".format, na_action="ignore").fillna("-")
    names = runs["experiment"] + " (" + folds + ", " + runs["seed"].astype(str) + ")"
    shown = pd.DataFrame({"run (fold, seed)": names, "data set": runs["data_set"], "accuracy": runs["accuracy"]})
    return frame_table(shown.join(layers[table["position"].unique()]), "smoothness of layers")


def correlation_table(coefficients: pd.DataFrame, confidence: float) -> Group:
    """Draw for the terminal the ``correlations``, and how to read them."""
    rows = []
    for (position, grid), pair in coefficients.groupby(["position", "grid"], sort=False):
        row = {"layer": position, "grid": grid}
        for one in pair.itertuples():
            row[f"{one.coefficient.capitalize()} ({100 * confidence:g} %)"] = interval(one.value, one.low, one.high)
        rows.append({**row, "runs": pair["runs"].iloc[0]})
    runs = int(coefficients["runs"].max()) if len(coefficients) else 0
    caution = f"! {runs} runs count: the intervals are wide, and there are many of them"
    if runs < FEWEST:
        caution = f"! {runs} runs count: too few for an interval ({FEWEST} at least, three or more on each data set)"
    notes = [
        "correlation of smoothness and test accuracy, both standardised within each data set",
        "paper 002 (3.3): smooth layers go with low accuracy; only an interval below 0 supports it",
        "own grid: finer maps are smoother; common grid: averaged down to the smallest map at that position",
    ]
    drawn = frame_table(pd.DataFrame(rows), "Does smoothness go with low accuracy?")
    return Group(drawn, *map(Text, notes), Text(caution, style="yellow"))
