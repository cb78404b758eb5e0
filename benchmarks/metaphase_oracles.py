"""What karyotypes of metaphases would gain if a part of the work were done perfectly, on labelled pictures.

``python -m benchmarks.metaphase_oracles PICTURES DATA CACHE``: PICTURES are pictures of the data set DATA
(data=metaphases), CACHE a file in which what the networks see of them is kept for the next call.
"""

import pickle
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import typer

from benchmarks.shared import show
from datamodules.inference.cell_images import read_cell, used_files
from datamodules.inference.image_files import find_image_files
from datamodules.metaphases.crops import cut_out_by
from datamodules.metaphases.data_module import MetaphaseDataModule
from karyocyte.common.karyotype import CHROMOSOMES, name_karyotype
from karyocyte.common.runs.portable import BUILT_IN, BUILT_IN_DETECTOR
from karyocyte.evaluation.cells.box_choice import Boxes
from karyocyte.evaluation.cells.cell_karyotype import karyotype_of_cell
from karyocyte.evaluation.cells.prior import KaryotypePriors
from karyocyte.evaluation.cells.uncertain_boxes import NamingSettings, karyotype_of_boxes
from karyocyte.inference.models import LoadOptions, open_model
from karyocyte.workflows.karyotyping.cell_model import load_cell_model
from karyocyte.workflows.karyotyping.metaphases import ChromosomeFinder, cut_pictures
from lightning_modules.detection import trained
from lightning_modules.detection.matching import match, overlaps

SETTINGS = NamingSettings(KaryotypePriors(), 0.95, False)
LEAST = 0.5  # intersection over union of a box that finds a chromosome


class TrueBoxes:
    """A detector that gives the true boxes of one picture after the other."""

    scales = (1.0,)

    def __init__(self, boxes: Sequence[np.ndarray]) -> None:
        self.boxes = iter(boxes)

    def find(self, _: Sequence[np.ndarray]) -> trained.FoundBoxes:
        """Return those of the next picture."""
        boxes = next(self.boxes).astype(np.float32)
        return trained.FoundBoxes(boxes, np.ones(len(boxes)))


class Seen(NamedTuple):
    """The boxes of a picture, the log-probabilities of their classes, and the true chromosome of each, -1 of none."""

    boxes: Boxes
    logs: np.ndarray
    truth: np.ndarray


def see(pictures: Path, frame: pd.DataFrame, detector: Any) -> list[Seen]:
    """Return what is seen of pictures, in the order of their files."""
    options = LoadOptions(batchnorm=None, runtime=None, out_of_distribution=0.05)
    model = load_cell_model(open_model([BUILT_IN]), options)
    cutter = trained.load_cutter(BUILT_IN_DETECTOR.with_name("cutter"))
    seen = []
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        finder = ChromosomeFinder(detector, partial(cut_out_by, cutter.probabilities))
        cells, metaphases = cut_pictures(find_image_files([pictures], pictures, False), finder, Path(folder), True)
        model.adapt(cells.cells, [{} for _ in metaphases], pool)
        for cell, picture in zip(cells.cells, metaphases, strict=True):
            assert picture.boxes is not None, picture.problem
            used = used_files(read_cell(cell, model.prepare, {}, pool, of_boxes=True))
            kept = np.array([[*picture.found].index(file.file.name) for file in used])
            sides = np.array([one.box for one in picture.found.values()], float)[kept]
            boxes = picture.boxes.of(kept)
            order = np.argsort(-boxes.probabilities, kind="stable")
            truth = np.empty(len(kept), int)
            truth[order] = match(overlaps(sides[order], np.asarray(frame.loc[cell.name, "boxes"], float)), LEAST)
            seen.append(Seen(boxes, model.predict(used, pool).log_probabilities, truth))
    return seen


def named(logs: np.ndarray, truth: np.ndarray, kinds: np.ndarray, given: str = "") -> dict[str, Any]:
    """Compare the karyotype of a set of boxes with the classes; ``given``: "classes" or "46 and the sex"."""
    cell = karyotype_of_cell(logs, SETTINGS.priors, {}, SETTINGS.refer_below)
    assigned = np.array([CHROMOSOMES.index(call.assigned) for call in cell.calls])
    right = int(((truth >= 0) & ((given == "classes") | (assigned == kinds[truth]))).sum())
    said = cell.karyotype.iscn if cell.karyotype else None
    if given == "46 and the sex":
        said = "46,XY" if CHROMOSOMES.index("Y") in assigned else "46,XX"
    exact = said == name_karyotype(Counter(CHROMOSOMES[kind] for kind in kinds)).iscn
    return {"boxes": len(kinds), "right": right, "whole": right == len(kinds) == len(truth), "exact": exact}


def oracles(found: Seen, true: Seen, kinds: np.ndarray) -> list[dict[str, Any]]:
    """Return a row for each part that is given: the boxes of the detector, and those of the data set."""
    own = karyotype_of_boxes(found.logs, found.boxes, {}, SETTINGS)[2]
    best = np.flatnonzero(found.truth >= 0)
    missed = ~np.isin(true.truth, found.truth)
    chosen = {"nothing": own, "no invented boxes": own[found.truth[own] >= 0], "the best of the boxes": best}
    sets = {name: (found.logs[rows], found.truth[rows]) for name, rows in chosen.items()}
    all_found = np.concatenate([found.truth[best], true.truth[missed]])
    sets["all found"] = (np.concatenate([found.logs[best], true.logs[missed]]), all_found)
    sets["true boxes"] = (true.logs, true.truth)
    rows = [{"given": name, **named(*boxes, kinds)} for name, boxes in sets.items()]
    for given in ("classes", "46 and the sex"):
        rows.append({"given": given, **named(*sets["nothing"], kinds, given)})
    return rows


def run(pictures: Path, data: Path, cache: Path) -> None:
    """Print the table."""
    frame = MetaphaseDataModule(data_dir=str(data)).manifest.frame.set_index("image_id")
    names = [Path(file.name).stem for file in find_image_files([pictures], pictures, False).files]
    if not cache.is_file():
        detector = trained.load_detector(BUILT_IN_DETECTOR)
        both = [see(pictures, frame, one) for one in (detector, TrueBoxes(frame.loc[names, "boxes"].tolist()))]
        cache.write_bytes(pickle.dumps(both))
    rows = []
    for name, found, true in zip(names, *pickle.loads(cache.read_bytes()), strict=True):  # noqa: S301 (ours)
        rows += oracles(found, true, np.asarray(frame.loc[name, "chromosomes"]))
    table = pd.DataFrame(rows).groupby("given", sort=False)[["boxes", "right", "whole", "exact"]].mean()
    show(table.assign(right=table["right"] / table["boxes"]).reset_index(), f"{len(names)} pictures", list(table))


if __name__ == "__main__":
    typer.run(run)
