"""How right the karyotypes of scripts/karyotype.py are, cell by cell: its output beside labels."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cytogenetics.images.boxes import assign, crossing_boxes, overlaps
from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.karyotyping.karyotype_tables import BOX_COLUMNS, RANKS
from datamodules.manifest.manifest import Manifest
from datamodules.sources import list_configured
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_csv, sha256_of_file, sha256_of_value
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.composition.compose import compose_config

SIDES, BOX = list(BOX_COLUMNS[1:5]), BOX_COLUMNS[-1]
LEAST = 0.5  # intersection over union of a box that finds a chromosome
DIGITS = 12  # of a SHA-256
TYPES = {"i": np.uint8, "f": np.float16}  # of counts and probabilities, by their kind in numpy


def measure_output(output: Path, labels: Path, overrides: Sequence[str]) -> pd.DataFrame:
    """Compare an output of scripts/karyotype.py with labels, a folder or zip of data=metaphases or data=chromosomes.

    Returns:
        A row per cell: its ``case`` (of an unknown one the cell) and ``cell`` (of a picture the file); the karyotype
        that is ``true`` of its labels and the ``named`` one (NaN of none), with its ``probability``; whether it is
        ``referred`` and ``wholly_right``; how many ``chromosomes`` it has, how many of these are ``found``, have the
        ``right`` class, and have it by their image ``alone``; and the start of the ``sha256`` of its picture or files.
        Pictures have also their ``kind``, as the data set declares it; whether the true karyotype is ``shown``; how
        many chromosomes are ``crossing`` others and ``crossing_found``; and how many boxes are ``invented``, without a
        true one.

    Raises:
        UserError: Labels are missing or contradict one another, or see `list_configured`.
    """
    cells, files = _read(output)
    words = [f"data_dir={labels}", *overrides]
    compare: Callable[[dict[str, Any], pd.DataFrame], dict[str, Any]]
    if BOX in files:
        compare = partial(compare_boxes, list_configured(compose_config(words, "detector")))
    else:
        manifest = list_configured(compose_config(["data=chromosomes", *words]))
        compare = partial(compare_classes, classes_by_content(manifest))
    of_cell = dict(list(files.groupby(["case", "cell"])))
    rows = []
    for cell in cells.to_dict("records"):
        row = {"case": cell["case"] or cell["cell"], "cell": cell["cell"], "named": cell["karyotype"]}
        row |= {"probability": cell["probability"], "referred": cell["refer"] == "yes"}
        rows.append(row | compare(cell, of_cell.get((cell["case"], cell["cell"]), files[:0])))
    table = pd.DataFrame(rows)
    return table.astype({name: TYPES[dtype.kind] for name, dtype in table.dtypes.items() if dtype.kind in TYPES})


def _read(output: Path) -> list[pd.DataFrame]:
    """Read the cells and the files of an output; an unknown case is ""."""
    names = dict.fromkeys(("case", "cell", "class", "alone", "sha256"), str)
    tables = [
        read_csv(output / f"{name}.csv", dtype=names).fillna({"case": ""}) for name in ("karyotypes", "chromosomes")
    ]
    if BOX in tables[1] and tables[0]["cell"].duplicated().any():
        raise UserError(f"two pictures of {output} have one name, by which they are compared: rename one")
    return tables


def compare_boxes(manifest: Manifest, cell: Mapping[str, Any], files: pd.DataFrame) -> dict[str, Any]:
    """Compare the files of a picture with the boxes of that name; the row has a ``case`` if the manifest has one."""
    place = manifest.frame.index[manifest.frame["image_id"] == cell["cell"]]
    if not len(place):
        remedy = "draw them, or set data.marked=keep if it is left out for its marks"
        raise UserError(f"no boxes of {cell['cell']} in {manifest.root}: {remedy}")
    truth = manifest.frame.loc[place[0]]
    if (truth["chromosomes"] < 0).any():
        raise UserError(f"{cell['cell']} has boxes without a class: give each its class in {manifest.root}")
    classes = np.array(CHROMOSOMES)[truth["chromosomes"]]
    used = files[files["status"] == "used"]
    assigned = assign(overlaps(used[SIDES].to_numpy(np.float64), truth["boxes"]), LEAST)
    found = assigned >= 0
    right, alone = (used[["class", "alone"]].to_numpy()[found] == classes[assigned[found], None]).sum(axis=0)
    crossing = crossing_boxes(truth["boxes"])
    true = name_karyotype(Counter(classes.tolist())).iscn
    row = {"case": truth["subject"]} if pd.notna(truth["subject"]) else {}
    row |= {"kind": truth.get("kind"), "true": true, "wholly_right": right == len(classes) == len(used)}
    row |= {"chromosomes": len(classes), "found": found.sum(), "right": right, "alone": alone}
    row |= {"crossing": len(crossing), "crossing_found": np.isin(assigned, crossing).sum(), "invented": (~found).sum()}
    row |= {"shown": true in [cell[f"{rank}karyotype"] for rank in RANKS]}
    file = manifest.file(place[0])
    return row | {"cell": file.name, "sha256": sha256_of_file(file)[:DIGITS]}


def classes_by_content(manifest: Manifest) -> dict[str, str]:
    """Return the classes of the files of a manifest by their SHA-256; a ``UserError`` names one that has two."""
    classes: dict[str, str] = {}
    for row, label in enumerate(manifest.frame["label"]):
        file = manifest.file(row)
        if classes.setdefault(sha256_of_file(file), label) != label:
            raise UserError(f"a copy of {file} has another class than {label}: correct the one that is wrong")
    return classes


def compare_classes(classes: Mapping[str, str], cell: Mapping[str, Any], files: pd.DataFrame) -> dict[str, Any]:
    """Compare the files of a cell with the classes of their contents; a content that is there twice counts once."""
    files = files.drop_duplicates("sha256")
    true = files["sha256"].map(classes)
    for file in files["file"][true.isna()]:
        raise UserError(f"{file} of {cell['cell']} has no label: add its class, or take it out and karyotype anew")
    used = files["status"] == "used"
    right, alone = files[["class", "alone"]].eq(true, axis=0).sum()
    row = {"true": name_karyotype(Counter(true)).iscn, "wholly_right": right == len(files)}
    row |= {"chromosomes": len(files), "found": used.sum(), "right": right, "alone": alone}
    return row | {"sha256": sha256_of_value(sorted(files["sha256"][used]))[:DIGITS]}
