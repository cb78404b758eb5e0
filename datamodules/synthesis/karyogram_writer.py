"""Writes composed karyograms to a folder: pictures, truth, the table of what they are, and where everything lies."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd

from common.errors import UserError
from common.files import sha256_of_value
from common.karyotype import ABNORMAL, CHROMOSOMES, NORMAL, PREPARATION_LOSS, Karyotype
from datamodules.io.progress import threaded
from datamodules.io.whole_folder import whole_folder
from datamodules.manifest.manifest import Manifest, natural_key
from datamodules.synthesis.aberrations.numerical import derive
from datamodules.synthesis.config import CompositionConfig, SheetConfig
from datamodules.synthesis.karyogram_composer import Sheet, compose
from datamodules.synthesis.karyogram_layout import Place
from datamodules.synthesis.metaphase import Chromosome, Metaphase, read_metaphases

COMPOSER_VERSION = 1  # raise it when the same settings would make other pictures
KARYOGRAMS = "karyograms.csv"
PLACES = "places.csv"
REAL = "real"
DERIVED = "derived"
_COLUMNS = ("image_id", "path", "label", "kind", "iscn", "subject", "cell", "origin", "scale", "truth", "facts")


class _Karyogram(NamedTuple):
    """What is to be composed."""

    image_id: str
    label: str
    kind: str
    iscn: str
    origin: str
    cell: Metaphase
    facts: dict[str, Any]


def write_karyograms(
    data: CompositionConfig,
    chromosomes: Manifest,
    used: Mapping[str, Karyotype],
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
        used: The cells to be composed with their karyotypes.
        folder: What is there is replaced; the caller holds its lock.
        progress: Whether progress bars may be shown.

    Raises:
        UserError: More is to be derived than there are cells fit for it, or the sheet is too small.
    """
    cells = _read_cells(chromosomes, used, progress)
    karyograms = [_real(cell) for cell in cells] + list(_derived(cells, data))
    with whole_folder(folder) as beside:
        _write_all(karyograms, data.sheet, beside, progress)


def is_whole(folder: Path) -> bool:
    """Whether a folder has all that its table names."""
    if not (folder / KARYOGRAMS).is_file() or not (folder / PLACES).is_file():
        return False
    table = read_karyograms(folder)
    return all((folder / path).is_file() for path in [*table["path"], *table["truth"]] if path)


def read_karyograms(folder: Path) -> pd.DataFrame:
    """Read the table of a folder of karyograms: columns of text, empty where there is nothing."""
    return pd.read_csv(folder / KARYOGRAMS, dtype=str, keep_default_na=False)


def _read_cells(chromosomes: Manifest, used: Mapping[str, Karyotype], progress: bool) -> list[Metaphase]:
    """Read the cells, in natural order of their names, each with its chromosomes in order."""
    frame = chromosomes.frame.assign(cell=chromosomes.frame["cell"].astype(str))
    groups = {name: rows for name, rows in frame.groupby("cell", sort=False) if name in used}
    names = sorted(groups, key=natural_key)

    def read(name: str) -> Metaphase:
        (cell,) = read_metaphases(replace(chromosomes, frame=groups[name].reset_index(drop=True)))
        return replace(cell, chromosomes=tuple(sorted(cell.chromosomes, key=_order)))

    return list(threaded(read, names, len(names), f"reading {len(names):,} cells", progress))


def _order(chromosome: Chromosome) -> tuple[int, tuple[tuple[int, int | str], ...]]:
    return CHROMOSOMES.index(chromosome.label), natural_key(chromosome.image_id)


def _real(cell: Metaphase) -> _Karyogram:
    karyotype = cell.karyotype
    return _Karyogram(cell.name, str(karyotype.label), karyotype.kind, karyotype.iscn, REAL, cell, {})


def _derived(cells: Sequence[Metaphase], data: CompositionConfig) -> Iterator[_Karyogram]:
    """Derive what is asked for, kind by kind; a normal cell is used once per kind, and all cells about as often.

    A kind walks the cells from the least used on, those used alike in an order of its own.
    """
    normal = [cell for cell in cells if cell.karyotype.label == NORMAL]
    uses = np.zeros(len(normal), np.int64)
    kin: dict[str, list[Metaphase]] = {}
    for cell in cells:
        kin.setdefault(cell.subject or cell.name, []).append(cell)
    for kind, count in data.derived.model_dump().items():
        rank = _generator(data.seed, kind).permutation(len(normal))
        made = 0
        for number in np.lexsort([rank, uses]):
            if made == count:
                break
            parent = normal[number]
            donors = [cell for cell in kin[parent.subject or parent.name] if cell is not parent]
            found = derive(parent, kind, donors, data, _generator(data.seed, kind, parent.name))
            if found is None:
                continue
            made, uses[number] = made + 1, uses[number] + 1
            label = PREPARATION_LOSS if kind == "autosome_loss" else ABNORMAL
            yield _Karyogram(f"{parent.name}_{kind}", label, kind, found.iscn, DERIVED, found.cell, found.facts)
        if made < count:
            fit = f"only {made:,} of the {len(normal):,} normal cells are fit for it"
            raise UserError(f"data.derived.{kind}={count}: {fit}, each once: ask for {made:,} at most")


def _generator(*key: int | str) -> np.random.Generator:
    return np.random.default_rng(int(sha256_of_value(key)[:16], 16))


def _write_all(karyograms: Sequence[_Karyogram], sheet: SheetConfig, folder: Path, progress: bool) -> None:
    for name in {"truth", *(karyogram.label for karyogram in karyograms)}:
        (folder / name).mkdir()
    stems = _file_stems([karyogram.image_id for karyogram in karyograms])

    def write(number: int) -> tuple[tuple[object, ...], tuple[Place, ...]]:
        karyogram = karyograms[number]
        composed = compose(karyograms[number].cell, sheet)
        path = f"{karyogram.label}/{stems[number]}.png"
        truth = "" if karyogram.label == NORMAL else f"truth/{stems[number]}.png"
        _write_image(folder / path, composed.pixels)
        if truth:
            _write_image(folder / truth, composed.truth.astype(np.uint8) * 255)
        return _row(karyogram, path, truth, composed), composed.places

    count = len(karyograms)
    rows, places = zip(*threaded(write, range(count), count, f"composing {count:,} karyograms", progress), strict=True)
    pd.DataFrame(rows, columns=list(_COLUMNS)).to_csv(folder / KARYOGRAMS, index=False)
    pairs = zip(karyograms, places, strict=True)
    where = [(karyogram.image_id, *place) for karyogram, found in pairs for place in found]
    pd.DataFrame(where, columns=["image_id", *Place._fields]).to_csv(folder / PLACES, index=False)


def _row(karyogram: _Karyogram, path: str, truth: str, composed: Sheet) -> tuple[object, ...]:
    cell = karyogram.cell
    known = (karyogram.image_id, path, karyogram.label, karyogram.kind, karyogram.iscn, cell.subject or "", cell.name)
    return (*known, karyogram.origin, round(composed.scale, 6), truth, json.dumps(karyogram.facts))


def _write_image(path: Path, pixels: np.ndarray) -> None:
    if not cv2.imwrite(str(path), pixels):
        raise OSError(f"cannot write {path}")


def _file_stems(names: Sequence[str]) -> list[str]:
    """A file's name for each id: whatever a table holds stays within the folder, and apart from the others."""
    seen: Counter[str] = Counter()
    stems = []
    for name in names:
        stem = re.sub(r"[^\w.-]+", "_", name)
        seen[stem.casefold()] += 1
        again = seen[stem.casefold()]
        stems.append(stem if again == 1 else f"{stem}~{again}")
    return stems
