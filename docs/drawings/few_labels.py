"""What labelled cells of a new laboratory bring: accuracy on its other cells and on those of the old laboratories."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from karyocyte.common.paths import ROOT
from karyocyte.evaluation.plots.plots import COLOURS, canvas

METRICS = {"accuracy": "each chromosome alone", "accuracy_assigned": "joint assignment"}


def read(path: Path) -> pd.DataFrame:
    """Return the rows of METRICS of a table of results, with the columns ``cells`` and ``laboratory`` of their labels.

    A label is "<n> cells, <laboratory>", as the commands of the page write it.
    """
    table = pd.read_csv(path)
    table = table[table["metric"].isin(METRICS)]
    parts = table["label"].str.extract(r"^(?P<cells>\d+) cells?, (?P<laboratory>.+)$")
    return table.assign(cells=parts["cells"].astype(int), laboratory=parts["laboratory"]).sort_values("cells")


def draw(path: Path) -> None:
    """Draw both metrics with their intervals against the number of labelled cells, a line for each laboratory."""
    table = read(ROOT / "results" / "chromosomes" / "few_labels.csv")
    with canvas(path, (9.0, 4.0), {"name": "labelled cells of a new laboratory"}) as figure:
        axes = figure.subplots(1, len(METRICS), sharey=True)
        for axis, (metric, title) in zip(axes, METRICS.items(), strict=True):
            _draw_metric(axis, table[table["metric"] == metric])
            axis.set(title=title, xlabel="labelled cells of the new laboratory")
        axes[0].set_ylabel("share of chromosomes that are right")
        axes[-1].legend(loc="lower right")


def _draw_metric(axis: Axes, table: pd.DataFrame) -> None:
    for colour, (laboratory, rows) in zip(COLOURS, table.groupby("laboratory"), strict=False):
        error = [rows["value"] - rows["low"], rows["high"] - rows["value"]]
        places = range(len(rows))
        axis.errorbar(places, rows["value"], yerr=error, fmt="o-", capsize=3, color=colour, label=laboratory)
        axis.set_xticks(places, rows["cells"].astype(str))
