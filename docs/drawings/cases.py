"""How many cases of metaphases are named rightly and settled, by their number of pictures."""

import pandas as pd

from karyocyte.common.paths import ROOT
from karyocyte.evaluation.plots.plots import COLOURS, canvas

RESULTS = ROOT / "results"
PART = "all test parts"
MEASURES = {"right": "named rightly", "settled": "settled"}
KINDS = {
    PART: ("normal", "o-"),
    f"{PART}, trisomies 13, 18, 21": ("composed: trisomies 13, 18, 21", "s-"),
    f"{PART}, other trisomies": ("composed: other trisomies", "D--"),
    f"{PART}, sex chromosomes": ("composed: X or Y changed", "^:"),
}


def draw() -> None:
    """Draw both shares of normal cases, and of cases with a composed abnormality how many are named and settled."""
    table = pd.read_csv(RESULTS / "metaphases" / "case_verdicts.csv").query("pictures != 'all'")
    table = table.assign(pictures=table["pictures"].astype(int)).set_index("label")
    two = table.loc[PART].set_index("pictures").loc[2]
    wrong = "none" if two["wrong"] == 0 else f"{two['wrong']:.0f} of {two['settled_cases']:.0f}"
    rare = table.loc[f"{PART}, other trisomies"].set_index("pictures").loc[2]
    title = (
        f"Two pictures settle {two['settled']:.0%} of {two['cases']:.0f} normal cases, {wrong} of them wrongly, "
        f"and {rare['settled']:.0%} of {rare['cases']:.0f} with a rare trisomy"
    )
    with canvas(RESULTS / "recomputed" / "cases.png", (5.6, 6.6), title) as figure:
        axes = figure.subplots(2, 1, sharex=True)
        for axis, (measure, words) in zip(axes, MEASURES.items(), strict=True):
            for colour, (label, (kind, style)) in zip(COLOURS, KINDS.items(), strict=False):
                rows = table.loc[[label]]
                axis.plot(rows["pictures"], rows[measure], style, color=colour, label=kind)
            axis.set(ylabel=f"share of cases {words}", ylim=(-0.04, 1.04))
        axes[1].set_xticks(range(1, 5))
        axes[1].set_xlabel("pictures of a case")
        axes[1].legend(loc="upper left")
