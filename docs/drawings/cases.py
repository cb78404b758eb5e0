"""How many cases of metaphases are named rightly and settled, by their number of pictures."""

from pathlib import Path

import pandas as pd

from karyocyte.common.paths import ROOT
from karyocyte.evaluation.plots.plots import COLOURS, canvas

FOLDER = ROOT / "results" / "metaphases"
PART = "both test parts"
MEASURES = {"right": "named rightly", "settled": "settled"}
KINDS = {
    PART: "normal",
    f"{PART}, trisomies 13, 18, 21": "composed: trisomies 13, 18, 21",
    f"{PART}, other trisomies": "composed: other trisomies",
    f"{PART}, sex chromosomes": "composed: X or Y changed",
}


def draw(path: Path) -> None:
    """Draw both shares of normal cases, and of cases with a composed abnormality how many are named and settled."""
    table = pd.read_csv(FOLDER / "case_verdicts.csv").query("pictures != 'all'")
    table = table.assign(pictures=table["pictures"].astype(int)).set_index("label")
    two = table.loc[PART].set_index("pictures").loc[2]
    wrong = "none" if two["wrong"] == 0 else f"{two['wrong']:.0f} of {two['settled_cases']:.0f}"
    rare = table.loc[f"{PART}, other trisomies"].set_index("pictures").loc[2]
    title = (
        f"Two pictures settle {two['settled']:.0%} of {two['cases']:.0f} normal cases, {wrong} of them wrongly, "
        f"and {rare['settled']:.0%} of {rare['cases']:.0f} with a rare trisomy"
    )
    with canvas(path, (9.0, 4.0), {"name": title}) as figure:
        for axis, (measure, words) in zip(figure.subplots(1, 2), MEASURES.items(), strict=True):
            for colour, (label, kind) in zip(COLOURS, KINDS.items(), strict=False):
                rows = table.loc[[label]]
                axis.plot(rows["pictures"], rows[measure], "o-", color=colour, label=kind)
            axis.set(xlabel="pictures of a case", ylabel=f"share of cases {words}", ylim=(-0.03, 1.03))
            axis.set_xticks(range(1, 5))
        axis.legend(loc="center right", fontsize=7)


if __name__ == "__main__":
    draw(ROOT / "results" / "recomputed" / "cases.png")
