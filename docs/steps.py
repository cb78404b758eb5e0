"""The figure of docs/cells.md: what each step of the method costs and gains, ``python -m docs.steps``."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from common.paths import ROOT
from evaluation.core.plots import COLOURS, canvas
from evaluation.papers.reproduction import read_measured

CSV = ROOT / "results" / "chromosomes.csv"
PICTURE = ROOT / "results" / "chromosomes" / "steps.png"
PANELS = {
    "accuracy": "chromosomes right, each alone",
    "accuracy_assigned": "chromosomes right, jointly",
    "cells_right_assigned": "cells right, jointly",
}


@dataclass(frozen=True)
class Step:
    """A step of the method: its rows in results/chromosomes.csv, and whether it continues the step before."""

    name: str
    label: str
    continues: bool = False


STEPS = (
    Step("upright, random weights", "chromosomes_best, 612 cells"),
    Step("any orientation, stronger augmentation, ImageNet trunk", "chromosomes_any, 612 cells"),
    Step("then the other chromosomes of the cell", "chromosomes_cell, 612 cells", continues=True),
)


def costs_and_gains(csv: Path) -> pd.DataFrame:
    """Return a row per step: ``name``, ``minutes`` of training per fold, and each metric of PANELS with its interval.

    The ends of an interval are in the columns ``<metric>_low`` and ``<metric>_high``.
    """
    measured = read_measured(csv)
    rows: list[dict[str, object]] = []
    minutes = 0.0
    for step in STEPS:
        of_step = measured[measured["label"] == step.label].set_index("metric")
        own_minutes = float(of_step["minutes"].iloc[0])
        minutes = minutes + own_minutes if step.continues else own_minutes
        row: dict[str, object] = {"name": step.name, "minutes": minutes}
        for metric in PANELS:
            value, low, high = of_step.loc[metric, ["value", "low", "high"]]
            row |= {metric: value, f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def draw(path: Path, table: pd.DataFrame) -> None:
    """Draw the metrics of ``costs_and_gains`` against the minutes."""
    about = {"name": "612 cells, five folds: minutes of one core for training, and test accuracy"}
    with canvas(path, (11.0, 4.2), about) as figure:
        axes = figure.subplots(1, len(PANELS))
        for axis, (metric, title) in zip(axes, PANELS.items(), strict=True):
            _panel(axis, table, metric)
            axis.set(title=title, xlabel="minutes per fold", xlim=(0, 1.2 * table["minutes"].max()))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(table))


def _panel(axis: Axes, table: pd.DataFrame, metric: str) -> None:
    for number, row in enumerate(table.to_dict("records")):
        value = row[metric]
        error = [[value - row[f"{metric}_low"]], [row[f"{metric}_high"] - value]]
        axis.errorbar(row["minutes"], value, yerr=error, fmt="o", color=COLOURS[number], capsize=4, label=row["name"])
        axis.annotate(f"{value:.3f}", (row["minutes"], value), xytext=(6, 4), textcoords="offset points")


if __name__ == "__main__":
    draw(PICTURE, costs_and_gains(CSV))
