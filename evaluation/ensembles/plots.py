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
    "validation": ("validation, fitted on these images", -0.24, {"color": COLOURS[1], "markerfacecolor": "white"}),
    "nested": ("validation, not fitted on these images", 0.0, {"color": COLOURS[2], "marker": "D", "markersize": 5.5}),
    "test": ("test", 0.24, {"color": COLOURS[0]}),
}


def draw_overfitting(path: Path, table: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw validation and test metrics of each member and method, and the difference from the average.

    Validation metrics on images of the fit are drawn apart from the others: those of members, which were never fitted
    on them, and of methods in inner folds.

    Args:
        path: PNG to write.
        table: See ``overfitting.overfitting``; its pooled rows are drawn.
        about: Facts of the average, for the title.
    """
    pooled = table[table["fold"] == POOLED].copy()
    unfitted = pooled["parameters"] == 0
    for end in ("", "_low", "_high"):
        pooled[f"nested{end}"] = pooled[f"nested{end}"].where(~unfitted, pooled[f"validation{end}"])
        pooled[f"validation{end}"] = pooled[f"validation{end}"].where(~unfitted)
    models = pooled[pooled["metric"] == METRICS[0]].reset_index(drop=True)
    panels = [metric for metric in METRICS if pooled.loc[pooled["metric"] == metric, "test"].notna().any()]
    widths = [3.3] * len(panels) + [2.6]
    with canvas(path, (4.6 + sum(widths), 1.9 + 0.42 * len(models)), about) as figure:
        axes = figure.subplots(1, len(widths), sharey=True, squeeze=False, width_ratios=widths)[0]
        for axis, metric in zip(axes, panels, strict=False):
            rows = pooled[pooled["metric"] == metric]
            for part, (label, offset, style) in MARKS.items():
                if rows[part].notna().any():
                    _dots(axis, rows, part, offset, {"label": label, **style})
            axis.set_xlabel(METRIC_LABELS[metric])
        axes[-1].axvline(0, color="#888888", linewidth=1)
        _dots(axes[-1], models, "difference", 0.0, {"color": COLOURS[0]})
        axes[-1].set_xlabel(f"{METRIC_LABELS[METRICS[0]]} on test, less the average's")
        _rows(axes, models)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles) or 1)


def _dots(axis: Axes, rows: pd.DataFrame, part: str, offset: float, style: dict[str, Any]) -> None:
    """Draw values and their intervals; undefined ones are left out."""
    values, low, high = rows[[part, f"{part}_low", f"{part}_high"]].to_numpy(np.float64).T
    places = np.arange(len(rows)) + offset
    # An interval need not hold its value, as that of a bootstrap at the edge.
    axis.hlines(places, low, high, color=style["color"], linewidth=1.3, alpha=0.7)
    axis.plot(values, places, linestyle="none", **{"marker": "o", "markersize": 6.5, "markeredgewidth": 1.6, **style})


def _rows(axes: np.ndarray, models: pd.DataFrame) -> None:
    """Name the rows, members above, with how many numbers each method fitted."""
    is_member = models["kind"] == MEMBER
    numbers = " (" + models["parameters"].astype(str) + ")"
    labels = models["model"].where(is_member, models["model"] + numbers)
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].set_ylim(len(labels) - 0.5, -0.5)
    for axis in axes:
        axis.grid(False, axis="y")
        axis.tick_params(axis="y", length=0)
        if is_member.any() and not is_member.all():
            axis.axhline(is_member.sum() - 0.5, color="#444444", linewidth=1)
        for row in range(1, len(labels), 2):
            axis.axhspan(row - 0.5, row + 0.5, color="#F4F4F4", zorder=0, linewidth=0)
    axes[0].set_title("members above, ensembles below (numbers fitted)", loc="left", fontsize=9.5)
