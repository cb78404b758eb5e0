"""Intervals of the AUC: of small drawn data sets, and how often they contain the true value."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmarks.interval_coverage import METHODS, WORLDS, World, by_methods, draw_pair, truth
from karyocyte.common.paths import ROOT
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.bootstrap import Resamples
from karyocyte.evaluation.metrics.classification import metrics_of
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.plots.plots import COLOURS, canvas

SUBJECTS = 14
STUDIES = 40
COLOUR_OF = {"logit_t": COLOURS[0], "percentile": COLOURS[1]}


class Study(NamedTuple):
    """The AUC of one drawn data set with the interval of one method."""

    number: int
    method: str
    value: float
    low: float
    high: float


def studies(world: World, count: int = STUDIES) -> list[Study]:
    """Return the first data sets of ``python -m benchmarks.interval_coverage``, each with the intervals of METHODS."""
    rows = []
    for number in range(count):
        scored, _ = draw_pair(world, SUBJECTS, np.random.default_rng([0, SUBJECTS, number]))
        settings = EvaluationConfig(seed=number)
        resamples = Resamples(WeightedMetrics(scored, names=("auc",)), scored, settings)
        for _, method, auc in by_methods(metrics_of(["auc"]), resamples):
            if auc.value is not None and auc.low is not None and auc.high is not None:
                rows.append(Study(number, method, auc.value, auc.low, auc.high))
    return rows


def draw(path: Path) -> None:
    """Draw the intervals of small data sets, and the coverage in both worlds against the number of subjects."""
    coverage = pd.read_csv(ROOT / "results" / "coverage.csv")
    coverage = coverage[coverage["metric"] == "auc"]
    with canvas(path, (7.5, 7.0), {"name": "95 % intervals of the AUC, drawn data sets"}) as figure:
        axes = figure.subplot_mosaic([["studies"] * len(WORLDS), [world.name for world in WORLDS]])
        _draw_studies(axes["studies"], studies(WORLDS[0]), truth(WORLDS[0])["auc"])
        for world in WORLDS:
            true = truth(world)["auc"]
            _draw_coverage(axes[world.name], coverage[coverage["world"] == world.name])
            axes[world.name].set_title(f"coverage, true AUC {true:.3f}")
        handles, methods = axes[WORLDS[0].name].get_legend_handles_labels()
        figure.legend(handles, methods, loc="outside lower center", ncols=len(methods))


def _draw_studies(axis: Axes, rows: list[Study], true: float) -> None:
    axis.axhline(true, color="#444444", linestyle="--", linewidth=1.2)
    order = np.argsort(np.argsort([row.value for row in rows], kind="stable"), kind="stable") // len(METHODS)
    for number, row in zip(order, rows, strict=True):
        place = number + 0.17 * (1 if row.method == METHODS[0] else -1)
        missed = not row.low <= true <= row.high
        axis.plot([place, place], [row.low, row.high], color=COLOUR_OF[row.method], linewidth=1.4)
        axis.plot(place, row.value, "X" if missed else "o", color=COLOUR_OF[row.method], markersize=7 if missed else 3)
    axis.set(
        title=f"{STUDIES} data sets of {SUBJECTS} subjects, true AUC {true:.3f} (cross: missed)",
        xlabel="data sets, by their AUC",
        ylabel="AUC",
        xticks=[],
    )


def _draw_coverage(axis: Axes, table: pd.DataFrame) -> None:
    axis.axhline(0.95, color="#444444", linestyle="--", linewidth=1.2)
    for method in METHODS:
        rows = table[table["method"] == method].sort_values("subjects")
        error = [rows["share"] - rows["share_low"], rows["share_high"] - rows["share"]]
        number = np.arange(len(rows))
        axis.errorbar(number, rows["share"], yerr=error, fmt="o-", capsize=3, color=COLOUR_OF[method], label=method)
        axis.set_xticks(number, rows["subjects"].astype(str))
    axis.set(xlabel="subjects", ylim=(0.6, 1.0))
