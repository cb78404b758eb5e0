"""Draw what has to be looked at: ``python -m cytogenetics.evidence.errors LABELS FOLDER``.

For each cell that is not referred but not wholly right, and for each cell of a settled case whose karyotype is not that
of most of its boxes, the picture with the boxes of the data and the same with ours: boxes of one reading without a box
of the same class in the other are orange. What was seen is in results/metaphases/looked_at.csv: data, ours, both or
cannot say.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cytogenetics.cells.uncertain_boxes import karyotype_of_boxes
from cytogenetics.evidence.cases import KEPT, THRESHOLDS, settled, true_cases, verdicts
from cytogenetics.evidence.predict import Picture
from cytogenetics.images.boxes import assign, overlaps
from cytogenetics.karyotyping.cell_model import CellModel
from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest
from datamodules.io.decode import read_image
from datamodules.sources import list_configured
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import compose_config
from karyocyte.evaluation.plots.plots import canvas

LEAST = 0.5  # intersection over union of two boxes of one chromosome


def cells_to_look_at(results: Path) -> list[str]:
    """Return the cells that are drawn, in order."""
    kept = pd.read_parquet(results / KEPT / "pictures.parquet")
    cells = set(kept["cell"][(kept["referred"] == False) & (kept["wholly_right"] == False)])  # noqa: E712 (None, too)
    truth = pd.read_csv(results / "metaphases" / "truth.csv", dtype=str)
    rows = verdicts(list(true_cases(kept, truth)))
    rows = settled(rows, pd.read_csv(results / THRESHOLDS)["settled_from"].tolist())
    for of_subset in rows["cells"][rows["wrong"] | rows["wrong_boxes"]]:
        cells |= set(of_subset.split(" "))
    return sorted(cells)


def draw(path: Path, image: np.ndarray, readings: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Draw two readings of a picture: their boxes, float, shape (n, 4), and classes, int64, shape (n,)."""
    (boxes, classes), (others, their_classes) = readings.values()
    assigned = assign(overlaps(boxes, others), LEAST)
    same = (assigned >= 0) & (classes == their_classes[assigned])
    agreed = [same, np.isin(np.arange(len(others)), assigned[same])]
    with canvas(path, (20.0, 10.0), {"name": path.stem}) as figure:
        for axis, (words, reading), is_same in zip(figure.subplots(1, 2), readings.items(), agreed, strict=True):
            axis.imshow(image, cmap="gray")
            axis.set(title=words)
            axis.set_axis_off()
            _draw_boxes(axis, *reading, is_same)


def _draw_boxes(axis: Axes, boxes: np.ndarray, classes: np.ndarray, agreed: np.ndarray) -> None:
    for (left, top, right, bottom), kind, is_same in zip(boxes.tolist(), classes, agreed, strict=True):
        colour = "tab:blue" if is_same else "tab:orange"
        line = 0.6 if is_same else 2.0
        axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color=colour, linewidth=line))
        axis.text(left, top, CHROMOSOMES[kind], color=colour, fontsize=9 if is_same else 14)


def main(labels: str, folder: str) -> None:
    """Draw the cells."""
    manifest = list_configured(compose_config([f"data_dir={labels}"], "detector"))
    request = KaryotypeRequest.read([labels, "input=metaphases"], output=Path(folder))
    model = CellModel.load(request, of_metaphases=True)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for cell in cells_to_look_at(ROOT / "results"):
        row = manifest.frame.index[manifest.frame["image_id"] == cell][0]
        truth = manifest.frame.loc[row]
        picture = Picture.of(manifest.file(row), model)
        named, kept = karyotype_of_boxes(picture.predicted.log_probabilities, picture.boxes, model.naming)
        classes = np.array([CHROMOSOMES.index(call.assigned) for call in named.calls])
        ours = named.candidates[0].karyotype.iscn if named.candidates else "no karyotype"
        readings = {
            f"data: {len(truth['boxes'])} boxes": (truth["boxes"], truth["chromosomes"]),
            f"ours: {ours}, {len(kept)} boxes": (picture.corners[kept], classes),
        }
        draw(Path(folder) / f"{cell}.png", read_image(manifest.file(row), "detect"), readings)


if __name__ == "__main__":
    main(*sys.argv[1:])
