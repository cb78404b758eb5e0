"""Keep what cases are measured with: ``python -m cytogenetics.evidence.predict LABELS PICTURES.csv``.

LABELS is the folder of pictures with their boxes (data=metaphases), PICTURES.csv has the columns ``cell`` and ``part``.
Pictures that are in results/evidence/cases stay as they are; the others are added, named by the networks of models/ as
scripts/karyotype.py does. Of pictures with boxes of 46,XX or 46,XY two more cells are kept, composed without networks
from the same images: the chromosome of a class is taken out with all of its boxes, or is there once more, with copies
of these beside the others. All pictures of a case have the same change. A chromosome that is there once more is as well
found as its homologue, but meets no other chromosome.
"""

import hashlib
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from cytogenetics.cells.cell_karyotype import CellKaryotype
from cytogenetics.cells.uncertain_boxes import Boxes, karyotype_of_boxes
from cytogenetics.evidence.measure import SIDES, compare_boxes
from cytogenetics.images.boxes import overlaps
from cytogenetics.images.cell_images import read_cell, used_files
from cytogenetics.karyotypes.naming import NORMAL_KARYOTYPES, name_karyotype
from cytogenetics.karyotyping.cell_model import CellModel, CellPrediction
from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest
from cytogenetics.karyotyping.karyotype_tables import RANKS
from cytogenetics.karyotyping.metaphases import MetaphaseFile, cut_pictures, find_pictures
from datamodules.manifest.manifest import Manifest
from datamodules.sources import list_configured
from karyocyte.common.files import atomic_path, read_csv
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES
from karyocyte.common.paths import ROOT
from karyocyte.common.revision import revision
from karyocyte.composition.compose import compose_config

KEPT = ROOT / "results" / "evidence" / "cases"
LEAST = 0.3  # intersection over union of a box with the chromosome that it is of
OFTEN = ("13", "18", "21")  # half of the trisomies are of these
OF_SEX = {"46,XX": ("+X", "-X"), "46,XY": ("+X", "+Y", "-Y")}
IMPROBABLE = 1e-7  # candidates that are less probable are not kept


@dataclass(frozen=True, eq=False)
class Picture:
    """What the networks say of a picture."""

    metaphase: MetaphaseFile
    names: list[str]  # of the images that were cut out
    predicted: CellPrediction  # of these

    @classmethod
    def of(cls, file: Path, model: CellModel) -> "Picture":
        """Find and predict the chromosomes of a picture."""
        assert model.finder is not None
        with TemporaryDirectory() as temporary, ThreadPoolExecutor(1) as pool:
            images = find_pictures(file, "metaphases", Path(temporary), progress=False)
            assert images is not None
            cells, (metaphase,) = cut_pictures(images, model.finder, Path(temporary), progress=False)
            used = used_files(read_cell(cells.cells[0], model.prepare, pool, of_boxes=True))
            return cls(metaphase, [one.file.name for one in used], model.predict(used, pool))

    @property
    def boxes(self) -> Boxes:
        """Those that the images were cut out of."""
        assert self.metaphase.boxes is not None
        found = [*self.metaphase.found]
        return self.metaphase.boxes.of(np.array([found.index(name) for name in self.names], int))

    @property
    def corners(self) -> np.ndarray:
        """Their corners, float32, shape (n, 4)."""
        return np.array([self.metaphase.found[name].box for name in self.names])


def changes_of(case: str, karyotype: str) -> list[str]:
    """Return the trisomy and the change of sex chromosomes that a case gets, drawn by a hash of its name."""
    digest = hashlib.sha256(case.encode()).digest()
    autosomes = OFTEN if digest[0] % 2 else AUTOSOMES
    sex = OF_SEX[karyotype]
    return [f"+{autosomes[digest[1] % len(autosomes)]}", sex[digest[2] % len(sex)]]


def with_change(boxes: Boxes, rows: np.ndarray, added: bool) -> tuple[Boxes, np.ndarray]:
    """Return the boxes without some, or with copies of them that share no pixel with the others, and their rows."""
    every = np.arange(len(boxes.probabilities))
    kept = np.append(every, rows) if added else np.setdiff1d(every, rows)
    of_some = boxes.of(rows if added else kept)
    covered = of_some.regions.any(axis=1)
    regions, pixels = of_some.regions[covered], boxes.pixels[covered]
    if added:
        regions = block_diag(boxes.regions, regions).astype(bool)
        pixels = np.append(boxes.pixels, pixels)
    return Boxes(boxes.probabilities[kept], regions, pixels, boxes.at_edge[kept]), kept


def kept_cells(cell: str, picture: Picture, manifest: Manifest, model: CellModel) -> list[dict[str, Any]]:
    """Return the rows of a picture: as it is, and with each change."""
    logs = picture.predicted.log_probabilities
    truth = manifest.frame.set_index("image_id").loc[cell]
    if picture.metaphase.boxes is None:
        return [{"case": truth["subject"], "cell": cell, "change": ""}]
    named, kept = karyotype_of_boxes(logs, picture.boxes, model.naming)
    files = pd.DataFrame(picture.corners[kept], columns=SIDES).assign(status="used")
    files["class"], files["alone"] = ([getattr(one, name) for one in named.calls] for name in ("assigned", "alone"))
    shown = dict.fromkeys(f"{rank}karyotype" for rank in RANKS)
    shown |= {f"{rank}karyotype": one.karyotype.iscn for rank, one in zip(RANKS, named.candidates, strict=False)}
    distance = float(picture.predicted.out_of_distribution[kept].mean())
    facts = {"cell": cell, "distance": distance}
    measured = compare_boxes(manifest, shown | facts, files) | facts
    referred = bool(named.reasons or named.doubts(distance, model.thresholds))
    rows = [measured | _kept(named) | {"change": "", "referred": referred}]
    if measured["true"] not in NORMAL_KARYOTYPES or measured["kind"] != "normal":
        return rows
    facts["case"] = measured["case"]
    classes = np.array(CHROMOSOMES)[truth["chromosomes"]]
    overlap = overlaps(picture.corners, truth["boxes"])
    of_box = np.where(overlap.max(axis=1) >= LEAST, overlap.argmax(axis=1), -1)
    for change in changes_of(measured["case"], measured["true"]):
        sign, kind = change[0], change[1:]
        chromosome = np.flatnonzero(classes == kind)[0]
        boxes, images = with_change(picture.boxes, np.flatnonzero(of_box == chromosome), sign == "+")
        counts = Counter(classes.tolist())
        counts[kind] += 1 if sign == "+" else -1
        named, _ = karyotype_of_boxes(logs[images], boxes, model.naming)
        rows.append(facts | {"change": change, "true": name_karyotype(counts).iscn} | _kept(named))
    return rows


def _kept(cell: CellKaryotype) -> dict[str, Any]:
    """Return the karyotypes of a cell: their counts of CHROMOSOMES, a byte each, and their probabilities, float32."""
    likely = [one for one in cell.candidates if one.probability > IMPROBABLE]
    counts = np.array([np.bincount(one.classes, minlength=len(CHROMOSOMES)) for one in likely], np.uint8)
    probabilities = np.array([one.probability for one in likely], np.float32)
    named = cell.karyotype and cell.karyotype.iscn
    kept = {"counts": counts.tobytes(), "probabilities": probabilities.tobytes()}
    return {"named": named, "probability": cell.probability, **kept}


def keep(rows: pd.DataFrame, folder: Path) -> None:
    """Write the cells of pictures, and those that were composed, each sorted and as small as their numbers allow."""
    rows = rows.sort_values(["part", "case", "cell", "change"])
    for name, is_composed in (("pictures", False), ("composed", True)):
        table = rows[(rows["change"] != "") == is_composed].dropna(axis="columns", how="all")
        for column in table.select_dtypes("number"):
            whole = bool((table[column].dropna() % 1 == 0).all())
            table[column] = table[column].astype("UInt8" if whole else "float32")
        with atomic_path(folder / f"{name}.parquet") as temporary:
            table.to_parquet(temporary, index=False, compression="zstd")


def main(labels: str, pictures: str) -> None:
    """Name the pictures of a table, and keep their cells."""
    manifest = list_configured(compose_config([f"data_dir={labels}"], "detector"))
    request = KaryotypeRequest.read([labels, "input=metaphases", "batchnorm=trained"], output=KEPT / "none")
    model = CellModel.load(request, of_metaphases=True)
    kept = [pd.read_parquet(path) for path in sorted(KEPT.glob("*.parquet"))]
    done = {cell for table in kept for cell in table["cell"]}
    listed = manifest.frame.reset_index().set_index("image_id")
    for cell, part in read_csv(Path(pictures), dtype=str)[["cell", "part"]].itertuples(index=False):
        if cell not in done:
            picture = Picture.of(manifest.file(listed.loc[cell, "index"]), model)
            kept.append(pd.DataFrame(kept_cells(cell, picture, manifest, model)).assign(part=part, revision=revision()))
    keep(pd.concat(kept), KEPT)


if __name__ == "__main__":
    main(*sys.argv[1:])
