"""The true classes of new images, where their folder tells them: for scripts/evaluate.py."""

import posixpath
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import pandas as pd

from datamodules.inference.image_files import ImageFile
from datamodules.io.archives import lone_folder
from datamodules.io.text_tables import read_text_table
from datamodules.manifest.spellings import is_unknown
from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES, class_of

TABLE = "labels.csv"  # in the folder that is named, as for data=chromosomes
COLUMNS = ["label", "subject", "cell", "group"]
_OTHER_NAMES = {"class": "label", "case_id": "subject", "cell_id": "cell"}  # of the columns of such tables


def labels_of(files: Sequence[ImageFile], classes: Sequence[str]) -> pd.DataFrame:
    """Return a row per file with ``COLUMNS``, None where unknown; no column where no label is known.

    They are those of the table in the folder that is named, or in the lone folder in it, where there is one; else the
    label is the nearest folder around the file that is called like one of the model's ``classes``; of chromosomes also
    the first folder below the named one, as data=chromosomes reads it ("01", "chr1", "23").

    Raises:
        UserError: A table cannot be read, or names a column or an image twice.
    """
    rows = []
    tables: dict[Path, pd.DataFrame | None] = {}
    without: dict[Path, list[str]] = {}  # images that a table does not name
    table_folder = cache(partial(lone_folder, wanted=TABLE))
    as_class = _reader_of(classes)
    for file in files:
        root = table_folder(file.path.parents[len(file.folders) - 1])
        if root not in tables:
            tables[root] = _read_table(root / TABLE, classes)
        table, below = tables[root], _plain(file.path.relative_to(root).as_posix())
        if table is None:
            names = [*reversed(file.folders), *map(as_class, below.split("/")[:-1][:1])]
            rows.append({"label": next(filter(classes.__contains__, names), None)})
        elif below in table.index:
            rows.append(table.loc[below].to_dict())
        else:
            rows.append({})
            without.setdefault(root / TABLE, []).append(below)
    warn(*(f"{path} has no row for {len(names):,} of the images, first {names[0]}" for path, names in without.items()))
    labels = pd.DataFrame(rows, columns=COLUMNS).astype(object)
    return labels.where(labels.notna(), None) if labels["label"].notna().any() else labels[[]]


def _reader_of(classes: Sequence[str]) -> Callable[[str], str]:
    """Return what tells the class of a label or of a folder's name, or the name where it is none."""
    return (lambda text: class_of(text) or text) if set(classes) == set(CHROMOSOMES) else str


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", posixpath.normpath(path.replace("\\", "/")))


def _read_table(file: Path, classes: Sequence[str]) -> pd.DataFrame | None:
    """Read a table of labels by the paths of its images; None where there is none."""
    if not file.is_file():
        return None
    table = read_text_table(file)
    warn(*table.attrs["notes"])
    for name, other in _OTHER_NAMES.items():
        if {name, other} <= set(table):
            raise UserError(f"{file} has the columns {name} and {other}, which mean the same: rename or remove one")
    named = ", ".join(table)
    table = table.rename(columns=_OTHER_NAMES)
    if not {"path", "label"} <= set(table):
        warn(f"{file} tells no labels: it has no columns path and class, its first line names {named}")
        return None
    paths = table["path"].map(_plain)
    if paths.duplicated().any():
        row = paths.duplicated().idxmax()
        raise UserError(f"{file}, row {row}: {paths[row]} is in an earlier row already: keep one of the two rows")
    table["label"] = table["label"].map(_reader_of(classes))
    table["label"] = table["label"].mask(is_unknown(table["label"]) & ~table["label"].isin(classes), "")
    return table.set_index(paths).reindex(columns=COLUMNS).replace("", None)
