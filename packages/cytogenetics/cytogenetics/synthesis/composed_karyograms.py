"""Karyograms composed from the single chromosomes of cells, labelled by counts, and abnormal ones derived from them.

What is derived keeps its parent's cell and subject: no split by subject puts the two on different sides.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cytogenetics.config.sources import ComposedKaryogramsConfig, SyntheticChromosomesConfig
from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.synthesis.karyogram_composer import SheetLayout, compose
from cytogenetics.synthesis.metaphase import Metaphase, read_metaphase
from cytogenetics.synthesis.numerical import derive
from datamodules.io.decode import encode_png
from datamodules.io.progress import threaded
from datamodules.io.whole_folder import make_once, whole_folder
from datamodules.manifest.manifest import Manifest, content_hash, manifest_frame, order_classes
from datamodules.manifest.scan import scan_listing
from datamodules.sources import SourceContext, find_source, source
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_csv, safe_stems, sha256_of_value, write_csv
from karyocyte.common.karyotype import ABNORMAL, NORMAL
from karyocyte.common.text import natural_key
from karyocyte.config.sources import ChromosomesConfig

COMPOSER_VERSION = 1  # raise it when the same settings would make other pictures
KARYOGRAMS = "karyograms.csv"
REAL = "real"
DERIVED = "derived"

_Karyogram = tuple[Metaphase, dict[str, Any]]  # a cell, and its row of the table but for path and scale


@source(ComposedKaryogramsConfig)
def list_composed_karyograms(data: ComposedKaryogramsConfig, context: SourceContext) -> Manifest:
    """Compose the karyograms of all cells into ``<cache_dir>/composed-<hash>/``, once, and list them.

    Cells whose counts are neither normal nor surely abnormal are left out, also those that lack one autosome, which is
    most often lost on the slide.

    Raises:
        UserError: The cells are not known; one class only is left; more is to be derived than there are cells fit for
            it; the positive class does not fit; or the chromosomes are too large.
    """
    try:
        chromosomes = _scan_whole_cells(data.chromosomes, context)
    except UserError as error:
        keys = "|".join(type(data.chromosomes).model_fields)
        raise UserError(re.sub(rf"\bdata\.({keys})\b", r"data.chromosomes.\1", str(error))) from error
    labels = {}
    unused: Counter[str] = Counter()
    for cell, classes in chromosomes.frame.groupby("cell", sort=False)["label"]:
        karyotype = name_karyotype(Counter(classes))
        if karyotype.label in (NORMAL, ABNORMAL):
            labels[str(cell)] = karyotype.label
        else:
            unused[karyotype.kind] += 1
    derived = {ABNORMAL} if any(data.derived.model_dump().values()) else set()
    classes = order_classes({*labels.values(), *derived}, data.positive_class)
    facts = data.model_dump(mode="json", include={"derived", "seed"}) | data.former
    facts |= {"chromosomes": content_hash(chromosomes), "version": COMPOSER_VERSION}
    folder = context.cache_dir / f"composed-{sha256_of_value(facts)[:8]}"
    make_once(folder, lambda place: write_karyograms(data, chromosomes, labels, place, context.progress), is_whole)
    table = read_karyograms(folder)
    return Manifest(
        manifest_frame(table.rename(columns={"origin": "group"})),
        folder,
        classes,
        data.positive_class,
        data.source,
        notes=(*chromosomes.notes, *_notes(table, unused)),
        synthetic=chromosomes.synthetic,
        skipped=chromosomes.skipped,
    )


def _scan_whole_cells(data: ChromosomesConfig | SyntheticChromosomesConfig, context: SourceContext) -> Manifest:
    """Scan single chromosomes, without cells of which a picture was broken: by their counts they would be abnormal."""
    listing = find_source(data)(data, context)
    chromosomes = scan_listing(listing, data.on_broken, context.cache_dir, context.progress)
    frame = chromosomes.frame
    nameless = frame["cell"].isna()
    if nameless.any():
        first = frame["image_id"][nameless].iloc[0]
        remedy = "set data.cell_column, or data.cell_regex"
        raise UserError(f"{chromosomes.root}: {first} has no cell, and karyograms are composed by cell: {remedy}")
    readable = listing.frame["image_id"].isin(frame["image_id"])
    broken = sorted(listing.frame.loc[~readable, "cell"].unique(), key=natural_key)
    if not broken:
        return chromosomes
    note = f"{len(broken):,} cells left out, since a chromosome of theirs is broken"
    return replace(
        chromosomes,
        frame=frame[~frame["cell"].isin(broken)].reset_index(drop=True),
        notes=(*chromosomes.notes, note),
        skipped=(*chromosomes.skipped, *(f"cell {name}" for name in broken)),
    )


def _notes(table: pd.DataFrame, unused: Mapping[str, int]) -> list[str]:
    """How many karyograms there are of each kind, and which cells were left out."""
    notes = []
    for origin, kinds in table.groupby("origin", sort=False)["kind"]:  # real ones first
        notes.append(f"{len(kinds):,} {origin} karyograms: {_enumerate(Counter(kinds))}")
    if unused:
        notes.append(f"cells left out: {_enumerate(unused)} (their counts make no sure karyotype)")
    return notes


def _enumerate(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())


def write_karyograms(
    data: ComposedKaryogramsConfig, chromosomes: Manifest, used: Collection[str], folder: Path, progress: bool = True
) -> None:
    """Write the karyograms of cells, and of what is derived from the normal ones, to a folder.

    In it are ``<label>/<image_id>.png`` (8-bit gray) and ``karyograms.csv``. The folder is whole or absent. All of it
    is a pure function of ``data`` and the chromosomes; the order of their rows does not matter.

    What is in the folder is replaced; the caller holds its lock. ``used`` are the cells to be composed.

    Raises:
        UserError: More is to be derived than there are fit cells, or the chromosomes are too large.
    """
    groups = chromosomes.frame.groupby("cell", sort=False).indices
    names = sorted(set(map(str, groups)) & set(used), key=natural_key)
    read = partial(read_metaphase, chromosomes)
    rows = (groups[name] for name in names)
    cells = list(threaded(read, rows, len(names), f"reading {len(names):,} cells", progress))
    karyograms: list[_Karyogram] = []
    for cell in cells:
        named = cell.karyotype
        row = {"image_id": cell.name, "label": named.label, "kind": named.kind, "iscn": named.iscn}
        karyograms.append((cell, {**row, "origin": REAL}))
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
        if count > len(normal):
            there = f"there are {len(normal):,} normal cells, each used once"
            raise UserError(f"data.derived.{kind}={count}: {there}: ask for {len(normal):,} at most")
        rank = _generator(data.seed, kind).permutation(len(normal))
        for number in np.lexsort([rank, uses])[:count]:
            parent = normal[number]
            derived = derive(parent, kind, cells, _generator(data.seed, kind, parent.name))
            uses[number] += 1
            row = {"image_id": f"{parent.name}_{kind}", "label": ABNORMAL, "kind": kind, "iscn": derived.iscn}
            yield derived.cell, {**row, "origin": DERIVED}


def _generator(*key: int | str) -> np.random.Generator:
    return np.random.default_rng(int(sha256_of_value(key)[:16], 16))


def _write_all(karyograms: Sequence[_Karyogram], data: ComposedKaryogramsConfig, folder: Path, progress: bool) -> None:
    # Whatever a table holds, a file stays within the folder, and apart from the others.
    stems = safe_stems(row["image_id"] for _, row in karyograms)

    def write(number: int) -> dict[str, Any]:
        """Compose and write a karyogram; return its row of the table."""
        cell, row = karyograms[number]
        composed = compose(cell, SheetLayout())
        path = f"{row['label']}/{stems[number]}.png"
        (folder / row["label"]).mkdir(exist_ok=True)
        (folder / path).write_bytes(encode_png(composed.pixels))
        scale = round(composed.scale, 6)
        return {**row, "path": path, "subject": cell.subject or "", "cell": cell.name, "scale": scale}

    count = len(karyograms)
    rows = list(threaded(write, range(count), count, f"composing {count:,} karyograms", progress))
    write_csv(folder / KARYOGRAMS, pd.DataFrame(rows))
