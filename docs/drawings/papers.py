"""Whether the main figures of a paper are reproduced, a row for each network, and what other persons give."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from karyocyte.common.paths import ROOT
from karyocyte.evaluation.plots.plots import COLOURS, NAMES, canvas

RESULTS = ROOT / "results"
SPLITS = {"003": "hem_all-paper-fold0", "004": "cnmc-paper-fold0"}  # of the area of the cell alone
GRADES = {"reproduced": COLOURS[2], "better": COLOURS[0], "worse": COLOURS[1], "cannot tell": COLOURS[7]}
TITLES = {
    "reproduced": "reproduced",
    "worse": "worse than printed",
    "better": "better",
    "cannot tell": "cannot be told",
}
NOT_PRINTED = "not printed"
READINGS = {"unfreeze.stages.finetune.batchnorm=frozen": " (BatchNorm frozen)", "as in conf/": " (BatchNorm trains)"}
LEGEND = (
    Line2D([], [], marker="D", color="black", linestyle="", fillstyle="none", label="printed"),
    Line2D([], [], marker="o", color=COLOURS[7], linewidth=1, label="ours, interval for new persons"),
    Line2D([], [], color=COLOURS[7], linewidth=5, alpha=0.6, label="interval of the difference from print"),
    Line2D([], [], marker="s", color="black", linestyle=":", fillstyle="none", label="ours, persons apart"),
    Line2D([], [], color=COLOURS[4], label="area of the cell alone"),
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
    said = [f"{counts[word]} {words}" for word, words in TITLES.items() if word in counts]
    return f"Main figures of paper {paper}: {'; '.join(said)}"


def draw(paper: str, path: Path) -> None:
    """Draw a row for each network: the printed figure, ours with both intervals, and ours with persons apart."""
    figures = main_figures(paper)
    area = pd.read_csv(RESULTS / "recomputed" / "area.csv").set_index("split").loc[SPLITS[paper]]
    metric = figures["metric"].iloc[0]
    with canvas(path, (8.5, 1.6 + 0.42 * len(figures)), {"name": title_of(paper, figures)}) as figure:
        axis = figure.subplots()
        axis.axvline(area[metric], color=COLOURS[4])
        for row in figures.itertuples():
            _draw_row(axis, row)
        axis.set_yticks(figures.index, [_name(row) for row in figures.itertuples()], fontsize=8)
        axis.set_ylim(len(figures) - 0.4, -0.5)
        kinds = [NAMES.get(name, name) for name in figures["metric"].unique()]
        axis.set(xlim=(0.5, 1.0), xlabel=f"{' or '.join(kinds)} of images")
        figure.legend(handles=LEGEND, fontsize=8, ncols=3, loc="outside lower center")


def _draw_row(axis: Axes, row: Any) -> None:
    place, colour = row.Index, GRADES.get(row.word, "black")
    axis.plot([row.persons_low, row.persons_high], [place, place], color=colour, linewidth=1)
    ends = [row.printed + row.difference_low, row.printed + row.difference_high]
    axis.plot(ends, [place, place], color=colour, linewidth=5, alpha=0.6, solid_capstyle="butt")
    axis.plot(row.value, place, "o", color=colour)
    axis.plot(row.printed, place, "D", color="black", markersize=5, fillstyle="none")
    axis.text(1.01, place, row.word, transform=axis.get_yaxis_transform(), va="center", fontsize=8, color=colour)
    below = place + 0.3
    axis.plot([row.apart_low, row.apart_high], [below, below], color="black", linewidth=1, linestyle=":")
    axis.plot(row.apart, below, "s", color="black", markersize=4, fillstyle="none")


def _name(row: Any) -> str:
    part = ", validation" if row.part == "validation" else ""
    return f"{row.experiment}{READINGS.get(row.reading, '')}{part}"


if __name__ == "__main__":
    for paper in SPLITS:
        draw(paper, RESULTS / "recomputed" / f"paper_{paper}.png")
