"""Draw what each step costs and which accuracy it buys on the 612-cell set: ``python -m docs.steps``."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from common.paths import ROOT
from evaluation.core.plots import COLOURS, canvas
from workflows.papers.measured import read_measured

RESULTS = ROOT / "results"
PICTURE = RESULTS / "chromosomes" / "steps.png"
PANELS = {
    "accuracy": "chromosomes, each alone",
    "accuracy_assigned": "chromosomes, jointly",
    "cells_right_assigned": "whole cells, jointly",
}


@dataclass(frozen=True)
class Step:
    """A step of the method.

    Attributes:
        name: Shown in the legend.
        label: Of its rows in results/chromosomes.csv.
        trained: Experiments of results/chromosomes/costs.csv whose processor time it takes; without any, the wall time
            of the rows, which were trained on one core.
    """

    name: str
    label: str
    trained: tuple[str, ...] = ()


STEPS = (
    Step("upright, random weights", "chromosomes_best, 612 cells"),
    Step("any orientation, ImageNet weights", "chromosomes_any, 612 cells", ("chromosomes_any",)),
    Step("then a larger canvas", "chromosomes_large, 612 cells", ("chromosomes_any", "chromosomes_large")),
    Step(
        "then the context of the cell",
        "chromosomes_large with context, 612 cells",
        ("chromosomes_any", "chromosomes_large", "chromosomes_large_cell"),
    ),
)


def costs_and_accuracy(results: Path) -> pd.DataFrame:
    """Return a row per step: ``name``, ``minutes`` of one core per fold, and each metric of PANELS with its interval.

    The ends of an interval are in the columns ``<metric>_low`` and ``<metric>_high``.
    """
    measured = read_measured(results / "chromosomes.csv")
    costs = pd.read_csv(results / "chromosomes" / "costs.csv").set_index("experiment")
    minutes_per_fold = 60 * costs["cpu_hours"] / costs["runs"]
    rows: list[dict[str, object]] = []
    for step in STEPS:
        of_step = measured[measured["label"] == step.label].set_index("metric")
        minutes = float(of_step["minutes"].iloc[0])
        if step.trained:
            minutes = float(minutes_per_fold.loc[list(step.trained)].sum())
        row: dict[str, object] = {"name": step.name, "minutes": minutes}
        for metric in PANELS:
            value, low, high = of_step.loc[metric, ["value", "low", "high"]]
            row |= {metric: value, f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def draw(path: Path, table: pd.DataFrame) -> None:
    """Draw the metrics of ``costs_and_accuracy`` against the minutes."""
    about = {"name": "612 cells, five folds: test accuracy and minutes of training, one core"}
    with canvas(path, (11.0, 4.4), about) as figure:
        axes = figure.subplots(1, len(PANELS))
        for axis, (metric, title) in zip(axes, PANELS.items(), strict=True):
            _panel(axis, table, metric)
            axis.set(title=title, xlabel="minutes per fold", xlim=(0, 1.25 * table["minutes"].max()))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(table))


def _panel(axis: Axes, table: pd.DataFrame, metric: str) -> None:
    for number, row in enumerate(table.to_dict("records")):
        value = row[metric]
        error = [[value - row[f"{metric}_low"]], [row[f"{metric}_high"] - value]]
        axis.errorbar(row["minutes"], value, yerr=error, fmt="o", color=COLOURS[number], capsize=4, label=row["name"])
        above = number % 2 == 0  # in turn, since neighbours would overlap
        end = (row["minutes"], row[f"{metric}_high" if above else f"{metric}_low"])
        offset = (0, 5 if above else -14)
        axis.annotate(f"{value:.3f}", end, xytext=offset, textcoords="offset points", ha="center")
    axis.margins(y=0.12)


if __name__ == "__main__":
    draw(PICTURE, costs_and_accuracy(RESULTS))
