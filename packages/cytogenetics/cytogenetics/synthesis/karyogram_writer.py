"""Writes composed karyograms to a folder: pictures, and the table of what they are."""

import json
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cytogenetics.config.sources import ComposedKaryogramsConfig
from cytogenetics.synthesis.karyogram_composer import SheetLayout, compose
from cytogenetics.synthesis.metaphase import Metaphase, read_metaphase
from cytogenetics.synthesis.numerical import derive
from datamodules.io.decode import encode_png
from datamodules.io.progress import threaded
from datamodules.io.whole_folder import whole_folder
from datamodules.manifest.manifest import Manifest
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_csv, safe_stems, sha256_of_value, write_csv
from karyocyte.common.karyotype import ABNORMAL, NORMAL
from karyocyte.common.text import natural_key

COMPOSER_VERSION = 1  # raise it when the same settings would make other pictures
KARYOGRAMS = "karyograms.csv"
REAL = "real"
DERIVED = "derived"

_Karyogram = tuple[Metaphase, dict[str, Any]]  # a cell, and its row of the table but for path and scale


def write_karyograms(
    data: ComposedKaryogramsConfig, chromosomes: Manifest, used: Collection[str], folder: Path, progress: bool = True
) -> None:
    """Write the karyograms of cells, and of what is derived from the normal ones, to a folder.

    In it are ``<label>/<image_id>.png`` (8-bit gray) and ``karyograms.csv``, with facts as JSON. The folder is whole or
    absent. All of it is a pure function of ``data`` and the chromosomes; the order of their rows does not matter.

    What is in the folder is replaced; the caller holds its lock. ``used`` are the cells to be composed.

    Raises:
        UserError: More is to be derived than there are fit cells, or the sheet is too small.
    """
    groups = chromosomes.frame.groupby("cell", sort=False).indices
    names = sorted(set(map(str, groups)) & set(used), key=natural_key)
    read = partial(read_metaphase, chromosomes)
    rows = (groups[name] for name in names)
    cells = list(threaded(read, rows, len(names), f"reading {len(names):,} cells", progress))
    karyograms: list[_Karyogram] = []
    for cell in cells:
        named = cell.karyotype
        row = {"image_id": cell.name, "label": named.label, "kind": named.kind, "iscn": named.iscn, "origin": REAL}
        karyograms.append((cell, {**row, "facts": "{}"}))
    karyograms += _derive_all(cells, data)
    with whole_folder(folder) as beside:
        _write_all(karyograms, data, beside, progress)


def is_whole(folder: Path) -> bool:
    """Whether a folder has all that its table names."""
    if not (folder / KARYOGRAMS).is_file():
        return False
    return all((folder / path).is_file() for path in read_karyograms(folder)["path"])


def read_karyograms(folder: Path) -> pd.DataFrame:
    """Read the table of a folder of karyograms: columns of text, empty where there is nothing."""
    return read_csv(folder / KARYOGRAMS, dtype=str, keep_default_na=False)


def _derive_all(cells: Sequence[Metaphase], data: ComposedKaryogramsConfig) -> Iterator[_Karyogram]:
    """Derive kind by kind from normal cells, once from each per kind, the least used ones first."""
    normal = [cell for cell in cells if cell.karyotype.label == NORMAL]
    uses = np.zeros(len(normal), np.int64)
    for kind, count in data.derived.model_dump().items():
        rank = _generator(data.seed, kind).permutation(len(normal))
        made = 0
        for number in np.lexsort([rank, uses]):
            if made == count:
                break
            parent = normal[number]
            derived = derive(parent, kind, cells, _generator(data.seed, kind, parent.name))
            if derived is None:
                continue
            made += 1
            uses[number] += 1
            row = {"image_id": f"{parent.name}_{kind}", "label": ABNORMAL, "kind": kind, "iscn": derived.iscn}
            yield derived.cell, {**row, "origin": DERIVED, "facts": json.dumps(derived.facts)}
        if made < count:
            fit = f"only {made:,} of the {len(normal):,} normal cells are fit for it"
            raise UserError(f"data.derived.{kind}={count}: {fit}, each once: ask for {made:,} at most")


def _generator(*key: int | str) -> np.random.Generator:
    return np.random.default_rng(int(sha256_of_value(key)[:16], 16))


def _write_all(karyograms: Sequence[_Karyogram], data: ComposedKaryogramsConfig, folder: Path, progress: bool) -> None:
    # Whatever a table holds, a file stays within the folder, and apart from the others.
    stems = safe_stems(row["image_id"] for _, row in karyograms)
    layout = SheetLayout(**dict(data.sheet))

    def write(number: int) -> dict[str, Any]:
        """Compose and write a karyogram; return its row of the table."""
        cell, row = karyograms[number]
        composed = compose(cell, layout)
        path = f"{row['label']}/{stems[number]}.png"
        (folder / row["label"]).mkdir(exist_ok=True)
        (folder / path).write_bytes(encode_png(composed.pixels))
        scale = round(composed.scale, 6)
        return {**row, "path": path, "subject": cell.subject or "", "cell": cell.name, "scale": scale}

    count = len(karyograms)
    rows = list(threaded(write, range(count), count, f"composing {count:,} karyograms", progress))
    write_csv(folder / KARYOGRAMS, pd.DataFrame(rows))
