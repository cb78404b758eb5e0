"""What persons are worth on C-NMC: a leak, and the number of training persons."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from karyocyte.common.paths import ROOT
from karyocyte.evaluation.plots.plots import COLOURS, canvas

RECOMPUTED = ROOT / "results" / "recomputed"
TITLE = "Other images of the tested persons raise the AUC of frozen networks"
ARMS = {"apart": "other persons", "shared": "other cells of the same persons", "copies": "the same cells"}
NAMES = {  # of the files of features in words, in the order of the figure
    "area": "area of the cell",
    "numbers": "nine numbers",
    "mobilenetv2": "MobileNetV2",
    "mobilenetv2_scale": "MobileNetV2, one scale",
    "lite0": "EfficientNet-Lite0",
    "lite0_scale": "EfficientNet-Lite0, one scale",
    "lite2": "EfficientNet-Lite2",
    "resnet18_cut": "ResNet-18 cut",
    "resnet50_cut": "ResNet-50 cut",
}
CURVES = {"area": 0.95, "lite0": 1.0, "resnet50_cut": 1.05}  # and how far they are moved beside each other


def draw(path: Path) -> None:
    """Draw the AUC by what trains beside the others, and the AUC by the number of training persons."""
    with canvas(path, (11.0, 4.5), {"name": TITLE}) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1.2, 1))
        _draw_leak(left, pd.read_csv(RECOMPUTED / "persons_leak.csv").set_index("model"))
        _draw_curve(right, pd.read_csv(RECOMPUTED / "persons_curve.csv"))


def _draw_leak(axis: Axes, table: pd.DataFrame) -> None:
    names = [name for name in NAMES if name in table.index]
    for offset, (colour, (arm, words)) in enumerate(zip(COLOURS, ARMS.items(), strict=False)):
        rows = table.loc[names]
        places = [place + 0.2 * (offset - 1) for place in range(len(names))]
        error = [rows[arm] - rows[f"{arm}_low"], rows[f"{arm}_high"] - rows[arm]]
        axis.errorbar(rows[arm], places, xerr=error, fmt="o", capsize=2, color=colour, label=words)
    axis.set_yticks(range(len(names)), [NAMES[name] for name in names])
    axis.invert_yaxis()
    axis.set(xlabel="AUC of cells", title="A third of the training persons are:", xlim=(0.6, 1.0))
    axis.legend(loc="lower left", fontsize=7)


def _draw_curve(axis: Axes, table: pd.DataFrame) -> None:
    for colour, (name, moved) in zip(COLOURS, CURVES.items(), strict=False):
        rows = table[table["model"] == name]
        error = [rows["auc"] - rows["auc_low"], rows["auc_high"] - rows["auc"]]
        persons, measured = moved * rows["persons"], rows["draws"] > 0
        axis.errorbar(persons, rows["auc"], yerr=error, fmt="none", capsize=3, color=colour)
        axis.plot(persons[measured], rows["auc"][measured], "o-", color=colour, label=NAMES[name])
        axis.plot(persons[~measured], rows["auc"][~measured], "o", color=colour, fillstyle="none")
    axis.set(
        xscale="log", xlabel="training persons", ylabel="AUC of cells", title="measured (filled), continued (open)"
    )
    axis.set_xticks([5, 10, 20, 41, 100, 300], ["5", "10", "20", "41", "100", "300"])
    axis.legend(loc="lower right", fontsize=8)


if __name__ == "__main__":
    draw(RECOMPUTED / "persons.png")
