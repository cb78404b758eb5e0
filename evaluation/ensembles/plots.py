"""Plot of validation and test metrics of an ensemble's members and methods."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evaluation.core.plots import COLOURS, canvas
from evaluation.ensembles.overfitting import MEMBER, METRIC_LABELS, METRICS, POOLED

# Column -> label, offset from the row's middle, and style: metrics on images of the fit are hollow.
MARKS: dict[str, tuple[str, float, dict[str, Any]]] = {
    "validation": ("validation, fitted on these images", -0.24, {"marker": "o", "markerfacecolor": "white"}),
    "nested": ("validation, not fitted on these images", 0.0, {"marker": "D", "markersize": 5.5}),
    "test": ("test", 0.24, {"marker": "o"}),
}
MARK_COLOURS = dict(zip(MARKS, (COLOURS[1], COLOURS[2], COLOURS[0]), strict=True))


def draw_overfitting(path: Path, table: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw validation and test metrics of each member and method, and the difference from the average.

    Validation metrics on images of the fit are drawn apart from the others: those of members, which were never fitted
    on them, and of methods in inner folds.

    Args:
        path: PNG to write.
        table: See ``overfitting.overfitting``; its pooled rows are drawn.
        about: Facts of the average, for the title.
    """
    pooled = table[table["fold"] == POOLED]
    models = pooled[pooled["metric"] == METRICS[0]].reset_index(drop=True)
    panels = [metric for metric in METRICS if pooled.loc[pooled["metric"] == metric, "test"].notna().any()]
    with canvas(path, (4.6 + 3.3 * len(panels) + 2.6, 1.9 + 0.42 * len(models)), about) as figure:
        widths = [3.3] * len(panels) + [2.6]
        axes = figure.subplots(1, len(widths), sharey=True, squeeze=False, width_ratios=widths)[0]
        for axis, metric in zip(axes, panels, strict=False):
            _parts(axis, _by_fit(pooled[pooled["metric"] == metric].reset_index(drop=True)))
            axis.set_xlabel(METRIC_LABELS[metric])
        _differences(axes[-1], models)
        _rows(axes, models)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles) or 1)


def _by_fit(rows: pd.DataFrame) -> pd.DataFrame:
    """Move the validation metrics of models without fitted numbers to those that were not fitted."""
    rows = rows.copy()
    unfitted = rows["parameters"] == 0
    for end in ("", "_low", "_high"):
        rows[f"nested{end}"] = rows[f"nested{end}"].where(~unfitted, rows[f"validation{end}"])
        rows[f"validation{end}"] = rows[f"validation{end}"].where(~unfitted)
    return rows


def _parts(axis: Axes, rows: pd.DataFrame) -> None:
    for part, (label, offset, style) in MARKS.items():
        if rows[part].notna().any():
            _dots(axis, rows, part, offset, {"color": MARK_COLOURS[part], "label": label, **style})


def _differences(axis: Axes, rows: pd.DataFrame) -> None:
    axis.axvline(0, color="#888888", linewidth=1)
    _dots(axis, rows, "difference", 0.0, {"color": COLOURS[0], "marker": "o"})
    axis.set_xlabel(f"{METRIC_LABELS[METRICS[0]]} on test, less the average's")


def _dots(axis: Axes, rows: pd.DataFrame, part: str, offset: float, style: dict[str, Any]) -> None:
    """Draw values and their intervals; undefined ones are left out."""
    values = rows[part].to_numpy(np.float64)
    low = rows[f"{part}_low"].to_numpy(np.float64)
    high = rows[f"{part}_high"].to_numpy(np.float64)
    places = np.arange(len(rows)) + offset
    # An interval need not hold its value, as that of a bootstrap at the edge.
    axis.hlines(places, low, high, color=style["color"], linewidth=1.3, alpha=0.7)
    axis.plot(values, places, linestyle="none", **{"markersize": 6.5, "markeredgewidth": 1.6, **style})


def _rows(axes: np.ndarray, models: pd.DataFrame) -> None:
    """Name the rows, members above, and say how many numbers each fitted."""
    labels = [f"{row.model} ({row.parameters})" if row.kind != MEMBER else row.model for row in models.itertuples()]
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].set_ylim(len(labels) - 0.5, -0.5)
    members = int((models["kind"] == MEMBER).sum())
    for axis in axes:
        axis.grid(False, axis="y")
        axis.tick_params(axis="y", length=0)
        if 0 < members < len(models):
            axis.axhline(members - 0.5, color="#444444", linewidth=1)
        for row in range(1, len(labels), 2):
            axis.axhspan(row - 0.5, row + 0.5, color="#F4F4F4", zorder=0, linewidth=0)
    axes[0].set_title("members above, ensembles below (numbers fitted)", loc="left", fontsize=9.5)
