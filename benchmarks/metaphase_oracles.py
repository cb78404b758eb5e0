"""What karyotypes of metaphases would gain if a part of the work were done perfectly, on labelled pictures.

``python -m benchmarks.metaphase_oracles PICTURES DATA CSV``: PICTURES of the data set DATA (data=metaphases).
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import typer

from benchmarks.shared import show
from datamodules.inference.cell_images import read_cell, used_files
from datamodules.inference.image_files import ImageFiles, find_image_files
from datamodules.metaphases.crops import cut_out_by
from datamodules.metaphases.data_module import MetaphaseDataModule
from karyocyte.common.boxes import overlaps
from karyocyte.common.files import write_csv
from karyocyte.common.karyotype import CHROMOSOMES, name_karyotype
from karyocyte.common.revision import revision
from karyocyte.evaluation.cells.cell_karyotype import karyotype_of_cell
from karyocyte.evaluation.cells.prior import KaryotypePriors
from karyocyte.inference.box_finder import BoxFinder, FoundBoxes
from karyocyte.inference.models import LoadOptions, open_model
from karyocyte.runs.portable import BUILT_IN, BUILT_IN_DETECTOR, BUILT_IN_DETECTORS, BUILT_IN_REFINER
from karyocyte.workflows.karyotyping.cell_model import load_cell_model
from karyocyte.workflows.karyotyping.metaphases import ChromosomeFinder, cut_pictures
from karyocyte.workflows.training.detection.evaluate_detections import crossing_boxes
from lightning_modules.detection import matching, trained

PRIORS, REFER_BELOW = KaryotypePriors(), 0.95
LEAST = 0.5  # intersection over union of a box that finds a chromosome


class Seen(NamedTuple):
    """The log-probabilities of the classes of the boxes of a picture, and the true chromosome of each, -1 of none."""

    logs: np.ndarray
    truth: np.ndarray


def see(files: ImageFiles, frame: pd.DataFrame, detector: Any) -> list[Seen]:
    """Return what is seen of pictures, in the order of their files."""
    model = load_cell_model(open_model([BUILT_IN]), LoadOptions(out_of_distribution=0.05))
    cutter = trained.load_cutter(BUILT_IN_DETECTOR.with_name("cutter"))
    finder = ChromosomeFinder(detector, partial(cut_out_by, cutter.probabilities))
    seen = []
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        cells, metaphases = cut_pictures(files, finder, Path(folder), True)
        model.adapt(cells.cells, [{} for _ in metaphases], pool)
        for cell, picture in zip(cells.cells, metaphases, strict=True):
            assert picture.boxes is not None, picture.problem
            used = used_files(read_cell(cell, model.prepare, {}, pool, of_boxes=True))
            kept = np.array([[*picture.found].index(file.file.name) for file in used])
            sides = np.array([one.box for one in picture.found.values()], float)[kept]
            order = np.argsort(-picture.boxes.probabilities[kept], kind="stable")
            truth = np.empty(len(kept), int)
            overlap = overlaps(sides[order], np.asarray(frame.loc[cell.name, "boxes"], float))
            truth[order] = matching.match(overlap, LEAST)
            seen.append(Seen(model.predict(used, pool).log_probabilities, truth))
    return seen


def as_legible(logs: np.ndarray, kinds: np.ndarray, crossing: np.ndarray) -> np.ndarray:
    """Return log-probabilities where each crossing chromosome is read as surely as some other that crosses none."""
    read = logs.copy()
    others = np.delete(np.arange(len(logs)), crossing)
    for row, like in zip(crossing, np.random.default_rng(0).choice(others, len(crossing)), strict=True):
        read[row] = logs[like]
        read[row, [kinds[row], kinds[like]]] = logs[like, [kinds[like], kinds[row]]]
    return read


def oracles(found: Seen, true: Seen, kinds: np.ndarray, boxes: np.ndarray) -> list[dict[str, Any]]:
    """Return a row for each part that is given, of the chromosomes of a picture and their boxes."""
    missed = ~np.isin(true.truth, found.truth)
    all_found = [np.concatenate([seen[found.truth >= 0], one[missed]]) for seen, one in zip(found, true, strict=True)]
    legible = as_legible(true.logs, kinds[true.truth], crossing_boxes(boxes[true.truth]))
    sets = {"all found, none invented": all_found, "true boxes": true}
    sets["true boxes, crossings as legible"] = (legible, true.truth)
    exact = name_karyotype(Counter(CHROMOSOMES[kind] for kind in kinds)).iscn
    rows = []
    for given, (logs, truth) in sets.items():
        cell = karyotype_of_cell(logs, PRIORS, {}, REFER_BELOW)
        assigned = np.array([CHROMOSOMES.index(call.assigned) for call in cell.calls])
        right = ((truth >= 0) & (assigned == kinds[truth])).sum()
        whole = right == len(kinds) == len(truth)
        is_exact = cell.karyotype and cell.karyotype.iscn == exact
        rows.append({"given": given, "boxes": len(kinds), "right": right, "whole": whole, "exact": bool(is_exact)})
    normal = "46,XY" if CHROMOSOMES.index("Y") in kinds else "46,XX"
    return [*rows, {"given": "46 and the sex", "boxes": len(kinds), "exact": normal == exact}]


def run(pictures: Path, data: Path, csv: Path) -> None:
    """Print the table, and write it to a file."""
    frame = MetaphaseDataModule(data_dir=str(data)).manifest.frame.set_index("image_id")
    files = find_image_files([pictures], pictures, False, follow_links=True)
    names = [Path(file.name).stem for file in files.files]
    found = see(files, frame, BoxFinder.load(BUILT_IN_DETECTORS, BUILT_IN_REFINER))
    boxes = (FoundBoxes(one.astype(np.float32), np.ones(len(one))) for one in frame.loc[names, "boxes"])
    true = see(files, frame, SimpleNamespace(find=lambda _: next(boxes)))
    rows: list[dict[str, Any]] = []
    for name, own, given in zip(names, found, true, strict=True):
        rows += oracles(own, given, np.asarray(frame.loc[name, "chromosomes"]), np.asarray(frame.loc[name, "boxes"]))
    table = pd.DataFrame(rows).astype({"right": float, "whole": float, "exact": float})
    table = table.groupby("given", sort=False)[["boxes", "right", "whole", "exact"]].mean()
    table = table.assign(right=table["right"] / table["boxes"], pictures=len(names)).drop(columns="boxes").reset_index()
    show(table, str(data), list(table))
    write_csv(csv, table.assign(revision=revision()))


if __name__ == "__main__":
    typer.run(run)
