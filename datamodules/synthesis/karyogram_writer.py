"""Writes composed karyograms to a folder: pictures, truth, the table of what they are, and where everything lies."""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from common.errors import UserError
from common.files import read_csv, safe_stems, sha256_of_value, write_csv
from common.karyotype import ABNORMAL, NORMAL, PREPARATION_LOSS
from datamodules.io.progress import threaded
from datamodules.io.whole_folder import whole_folder
from datamodules.manifest.manifest import Manifest, natural_key
from datamodules.synthesis.aberrations.numerical import Derived, derive
from datamodules.synthesis.config import CompositionConfig, SheetLayout
from datamodules.synthesis.karyogram_composer import Place, compose
from datamodules.synthesis.metaphase import Metaphase, read_metaphase

COMPOSER_VERSION = 1  # raise it when the same settings would make other pictures
KARYOGRAMS = "karyograms.csv"
PLACES = "places.csv"
REAL = "real"
DERIVED = "derived"
_COLUMNS = ("image_id", "path", "label", "kind", "iscn", "subject", "cell", "origin", "scale", "truth", "facts")


def write_karyograms(
    data: CompositionConfig,
    chromosomes: Manifest,
    used: Collection[str],
    folder: Path,
    progress: bool = True,
) -> None:
    """Write the karyograms of cells, and of what is derived from the normal ones, to a folder.

    In it are ``<label>/<image_id>.png`` (8-bit gray), ``truth/<image_id>.png`` of those that are not normal (255 where
    the abnormality is, else 0), ``karyograms.csv`` (image_id, path, label, kind, iscn, subject, cell, origin (real or
    derived), scale, truth (a path) and facts (JSON: what was changed)) and ``places.csv`` (image_id, chromosome, x, y,
    width, height). The folder is whole or absent: it is written beside its place and renamed. All of it is a pure
    function of ``data`` and the chromosomes; the order of either's rows does not matter.

    Args:
        data: The sheet, and what is derived.
        chromosomes: The manifest of single chromosomes.
        used: The cells to be composed.
        folder: What is there is replaced; the caller holds its lock.
        progress: Whether progress bars may be shown.

    Raises:
        UserError: More is to be derived than there are fit cells, or the sheet is too small.
    """
    groups = chromosomes.frame.groupby("cell", sort=False).indices
    names = sorted((str(name) for name in groups if str(name) in used), key=natural_key)

    def read(name: str) -> Metaphase:
        return read_metaphase(chromosomes, groups[name])

    cells = list(threaded(read, names, len(names), f"reading {len(names):,} cells", progress))
    karyograms = []
    for cell in cells:
        facts = {"image_id": cell.name, "label": cell.karyotype.label, "kind": cell.karyotype.kind, "origin": REAL}
        karyograms.append((facts, Derived(cell, cell.karyotype.iscn, {})))
    karyograms += _derive_all(cells, data)
    with whole_folder(folder) as beside:
        _write_all(karyograms, data.sheet.layout, beside, progress)


def is_whole(folder: Path) -> bool:
    """Whether a folder has all that its table names."""
    if not (folder / KARYOGRAMS).is_file() or not (folder / PLACES).is_file():
        return False
    table = read_karyograms(folder)
    return all((folder / path).is_file() for path in [*table["path"], *table["truth"]] if path)


def read_karyograms(folder: Path) -> pd.DataFrame:
    """Read the table of a folder of karyograms: columns of text, empty where there is nothing."""
    return read_csv(folder / KARYOGRAMS, dtype=str, keep_default_na=False)


def _derive_all(cells: Sequence[Metaphase], data: CompositionConfig) -> Iterator[tuple[dict[str, Any], Derived]]:
    """Derive what is asked for, kind by kind; a normal cell is used once per kind, and all cells about as often.

    A kind walks the cells from the least used on, those used alike in an order of its own.
    """
    normal = [cell for cell in cells if cell.karyotype.label == NORMAL]
    uses = np.zeros(len(normal), np.int64)
    for kind, count in data.derived.model_dump().items():
        rank = _generator(data.seed, kind).permutation(len(normal))
        made = 0
        for number in np.lexsort([rank, uses]):
            if made == count:
                break
            parent = normal[number]
            derived = derive(parent, kind, cells, data, _generator(data.seed, kind, parent.name))
            if derived is None:
                continue
            made += 1
            uses[number] += 1
            label = PREPARATION_LOSS if kind == "autosome_loss" else ABNORMAL
            yield {"image_id": f"{parent.name}_{kind}", "label": label, "kind": kind, "origin": DERIVED}, derived
        if made < count:
            fit = f"only {made:,} of the {len(normal):,} normal cells are fit for it"
            raise UserError(f"data.derived.{kind}={count}: {fit}, each once: ask for {made:,} at most")


def _generator(*key: int | str) -> np.random.Generator:
    return np.random.default_rng(int(sha256_of_value(key)[:16], 16))


def _write_all(
    karyograms: Sequence[tuple[dict[str, Any], Derived]], sheet: SheetLayout, folder: Path, progress: bool
) -> None:
    for row, _ in karyograms:
        (folder / row["label"]).mkdir(exist_ok=True)
    # Whatever a table holds, a file stays within the folder, and apart from the others.
    stems = safe_stems(row["image_id"] for row, _ in karyograms)
    (folder / "truth").mkdir()

    def write(number: int) -> tuple[dict[str, Any], list[tuple[object, ...]]]:
        known, (cell, iscn, facts) = karyograms[number]
        composed = compose(cell, sheet)
        path = f"{known['label']}/{stems[number]}.png"
        truth = "" if known["label"] == NORMAL else f"truth/{stems[number]}.png"
        _write_image(folder / path, composed.pixels)
        if truth:
            _write_image(folder / truth, composed.truth.astype(np.uint8) * 255)
        row = {**known, "path": path, "iscn": iscn, "subject": cell.subject or "", "cell": cell.name, "truth": truth}
        row |= {"scale": round(composed.scale, 6), "facts": json.dumps(facts)}
        return row, [(known["image_id"], *place) for place in composed.places]

    count = len(karyograms)
    rows = []
    places = []
    for row, of_row in threaded(write, range(count), count, f"composing {count:,} karyograms", progress):
        rows.append(row)
        places += of_row
    write_csv(folder / KARYOGRAMS, pd.DataFrame(rows, columns=list(_COLUMNS)))
    write_csv(folder / PLACES, pd.DataFrame(places, columns=["image_id", *Place._fields]))


def _write_image(path: Path, pixels: np.ndarray) -> None:
    if not cv2.imwrite(str(path), pixels):
        raise OSError(f"cannot write {path}")
