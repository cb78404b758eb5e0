"""Whether the main figures of a paper are reproduced, a row for each network, and what other persons give."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from karyocyte.common.paths import ROOT
from karyocyte.common.text import metric_in_words
from karyocyte.evaluation.plots.plots import COLOURS, canvas

RESULTS = ROOT / "results"
SPLITS = {"003": "hem_all-paper-fold0", "004": "cnmc-paper-fold0"}  # of the area of the cell alone
GRADES = {"reproduced": COLOURS[2], "worse": COLOURS[1], "better": COLOURS[0], "cannot tell": "#555555"}
TITLES = {"worse": "worse than printed", "cannot tell": "cannot be decided"}  # the other grades as they are
NOT_PRINTED = "not printed"
READINGS = (" (BatchNorm trains)", " (BatchNorm frozen)")  # of networks that were measured with both
APART = "ours, persons apart: other test images"
AREA = "area of the cell alone, on the paper's split"
DIFFERENCE = Line2D([], [], color="#555555", linewidth=5, alpha=0.6, label="95 % interval of the difference")
LEGEND = (
    Line2D([], [], marker="D", color="black", linestyle="", fillstyle="none", label="printed"),
    Line2D([], [], marker="o", color="#555555", linewidth=1, label="ours, interval for new persons"),
    DIFFERENCE,
    Line2D([], [], marker="s", color="black", linestyle=":", fillstyle="none", label=APART),
    Line2D([], [], color="black", linestyle="--", label=AREA),
)


def main_figures(paper: str) -> pd.DataFrame:
    """Return the main figure of each network of a paper that was measured; ``word`` is its grade in short."""
    figures = pd.read_csv(RESULTS / "grades.csv", dtype={"paper": str, "reading": str})
    figures = figures[(figures["paper"] == paper) & figures["headline"] & figures["value"].notna()]
    word = figures["grade"].str.extract(r"(worse|better|reproduced|cannot tell)", expand=False)
    figures["printed"] = pd.to_numeric(figures["printed"])
    return figures.assign(word=word.fillna(NOT_PRINTED)).reset_index(drop=True)


def title_of(paper: str, figures: pd.DataFrame) -> str:
    """Return the finding: how many main figures are reproduced, worse or better, or cannot be told."""
    counts = figures["word"].value_counts()
    said = [f"{counts[word]} {TITLES.get(word, word)}" for word in GRADES if word in counts]
    graded = counts.drop(NOT_PRINTED, errors="ignore").sum()
    return f"{graded} main figures of paper {paper}: {'; '.join(said)}"


def draw(paper: str) -> None:
    """Draw a row for each network: the printed figure, ours with both intervals, and ours with persons apart."""
    figures = main_figures(paper)
    area = pd.read_csv(RESULTS / "recomputed" / "area.csv").set_index("split").loc[SPLITS[paper]]
    metric = figures["metric"].iloc[0]
    path = RESULTS / "recomputed" / f"paper_{paper}.png"
    with canvas(path, (5.6, 2.4 + 0.55 * len(figures)), title_of(paper, figures)) as figure:
        axis = figure.subplots()
        axis.axvline(area[metric], color="black", linestyle="--")
        for row in figures.itertuples():
            _draw_row(axis, row)
        axis.set(ylim=(len(figures) - 0.5, -0.7), yticks=[])
        kinds = map(metric_in_words, figures["metric"].unique())
        axis.set(xlim=(0.5, 1.0), xlabel=f"{' or '.join(kinds)} of images")
        told = figures["difference_low"].notna().any()  # not of a single training
        handles = [line for line in LEGEND if told or line is not DIFFERENCE]
        figure.legend(handles=handles, loc="outside lower center")


def _draw_row(axis: Axes, row: Any) -> None:
    place, colour = row.Index, GRADES.get(row.word, "black")
    axis.plot([row.persons_low, row.persons_high], [place, place], color=colour, linewidth=1)
    ends = [row.printed + row.difference_low, row.printed + row.difference_high]
    axis.plot(ends, [place, place], color=colour, linewidth=5, alpha=0.6, solid_capstyle="butt")
    axis.plot(row.value, place, "o", color=colour)
    axis.plot(row.printed, place, "D", color="black", markersize=5, fillstyle="none")
    axis.text(0.505, place - 0.2, f"{_name(row)}: {row.word}", va="bottom", fontsize=9, color=colour)
    below = place + 0.2
    axis.plot([row.apart_low, row.apart_high], [below, below], color="black", linewidth=1, linestyle=":")
    axis.plot(row.apart, below, "s", color="black", markersize=4, fillstyle="none")


def _name(row: Any) -> str:
    part = ", validation" if row.part == "validation" else ""
    batchnorm = READINGS["batchnorm=frozen" in row.reading] if isinstance(row.reading, str) else ""
    return f"{row.experiment}{batchnorm}{part}"
