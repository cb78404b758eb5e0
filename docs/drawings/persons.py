"""What the number of training persons is worth on C-NMC."""

import pandas as pd

from karyocyte.common.paths import ROOT
from karyocyte.evaluation.plots.plots import COLOURS, canvas

RECOMPUTED = ROOT / "results" / "recomputed"
# Of each curve its name, its mark, and how far it is moved beside the others.
CURVES = {
    "area": ("area of the cell", "s", 0.95),
    "lite0": ("EfficientNet-Lite0", "o", 1.0),
    "resnet50_cut": ("ResNet-50 cut", "D", 1.05),
}


def draw() -> None:
    """Draw the AUC by the number of training persons."""
    table = pd.read_csv(RECOMPUTED / "persons_curve.csv")
    auc = table.set_index(["persons", "model"])["auc"]
    network, area = (f"{auc[5, name]:.2f} to {auc[34, name]:.2f}" for name in ("resnet50_cut", "area"))
    title = f"From 5 to 34 training persons the AUC of ResNet-50 rises from {network}, that of the area from {area}"
    with canvas(RECOMPUTED / "persons.png", (5.6, 4.6), title) as figure:
        axis = figure.subplots()
        for colour, (model, (name, mark, moved)) in zip(COLOURS, CURVES.items(), strict=False):
            rows = table[table["model"] == model]
            error = [rows["auc"] - rows["auc_low"], rows["auc_high"] - rows["auc"]]
            persons = moved * rows["persons"]
            axis.errorbar(persons, rows["auc"], yerr=error, fmt=f"{mark}-", capsize=3, color=colour, label=name)
        axis.set(xscale="log", xlabel="training persons (bars: ten draws; 34: one left out)", ylabel="AUC of cells")
        axis.set_xticks([5, 10, 20, 34], ["5", "10", "20", "34"])
        axis.minorticks_off()
        axis.legend(loc="lower right")
