"""Draw what has to be looked at: ``python -m cytogenetics.evidence.errors LABELS FOLDER``.

For each cell that is not referred but not wholly right, and for each cell of a settled case whose karyotype is not that
of most of its boxes, the boxes of the data (left) and ours (right): those that the other reading lacks are orange. What
was seen is in results/metaphases/looked_at.csv.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from cytogenetics.cells.uncertain_boxes import karyotype_of_boxes
from cytogenetics.evidence.cases import THRESHOLDS, read_verdicts, settled
from cytogenetics.evidence.predict import Picture, Sources
from cytogenetics.images.boxes import assign, overlaps
from datamodules.io.decode import read_image
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.paths import ROOT
from karyocyte.evaluation.plots.plots import canvas

LEAST = 0.5  # intersection over union of two boxes of one chromosome


def cells_to_look_at(results: Path) -> list[str]:
    """Return the cells that are drawn, in order."""
    kept = pd.read_parquet(results / "evidence" / "karyotypes" / "metaphases.parquet")
    cells = {Path(file).stem for file in kept["cell"][~kept["referred"] & ~kept["wholly_right"]]}
    rows = settled(read_verdicts(results), pd.read_csv(results / THRESHOLDS)["settled_from"].tolist())
    for of_subset in rows["cells"][rows["wrong"] | rows["wrong_boxes"]]:
        cells |= set(of_subset.split(" "))
    return sorted(cells)


def draw(cell: str, sources: Sources, path: Path) -> None:
    """Draw both readings of a picture side by side."""
    file, truth = sources.picture(cell)
    picture = Picture.of(file, sources.model)
    named, kept = karyotype_of_boxes(picture.predicted.log_probabilities, picture.boxes, sources.model.naming)
    data = np.array(CHROMOSOMES)[truth["chromosomes"]]
    ours = np.array([call.assigned for call in named.calls])
    assigned = assign(overlaps(picture.corners[kept], truth["boxes"]), LEAST)
    same = (assigned >= 0) & (ours == data[assigned])
    readings = [(truth["boxes"], data, np.isin(np.arange(len(data)), assigned[same]))]
    readings.append((picture.corners[kept], ours, same))
    with canvas(path, (20.0, 10.0), {"name": f"{cell}: {len(data)} and {len(ours)} boxes"}) as figure:
        for axis, reading in zip(figure.subplots(1, 2), readings, strict=True):
            axis.imshow(read_image(file, "detect"))
            axis.set_axis_off()
            for (left, top, right, bottom), kind, agreed in zip(*reading, strict=True):
                colour = "tab:blue" if agreed else "tab:orange"
                axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color=colour))
                axis.text(left, top, kind, color=colour, fontsize=9 if agreed else 14)


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    opened = Sources.open(sys.argv[1])
    for name in cells_to_look_at(ROOT / "results"):
        draw(name, opened, folder / f"{name}.png")
