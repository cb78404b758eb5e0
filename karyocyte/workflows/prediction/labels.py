"""The true classes of new images, where their folder tells them: for scripts/evaluate.py."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from datamodules.inference.image_files import ImageFile
from karyocyte.common.cli import warn
from karyocyte.common.files import read_csv

TABLE = "labels.csv"  # in the folder that is named, as for data=chromosomes
COLUMNS = ["label", "subject", "cell", "group"]
_OTHER_NAMES = {"class": "label", "case_id": "subject", "cell_id": "cell"}  # of the columns of such tables


def labels_of(files: Sequence[ImageFile], classes: Sequence[str]) -> pd.DataFrame:
    """Return a row per file with ``COLUMNS``, None where unknown; no column where no label is known.

    They are those of the table in the folder that is named, where there is one; else the label is the nearest folder
    around the file that is called like one of the model's ``classes``.
    """
    rows = []
    tables: dict[Path, pd.DataFrame | None] = {}
    for file in files:
        root = file.path.parents[len(file.folders) - 1]
        if root not in tables:
            tables[root] = _read_table(root / TABLE)
        table, below = tables[root], file.path.relative_to(root).as_posix()
        if table is None:
            named = [folder for folder in reversed(file.folders) if folder in classes]
            rows.append({"label": named[0] if named else None})
        else:
            rows.append(table.loc[below].to_dict() if below in table.index else {})
    labels = pd.DataFrame(rows, columns=COLUMNS).astype(object)
    return labels.where(labels.notna(), None) if labels["label"].notna().any() else labels[[]]


def _read_table(file: Path) -> pd.DataFrame | None:
    """Read a table of labels by the paths of its images; None where there is none."""
    if not file.is_file():
        return None
    table = read_csv(file, dtype=str).rename(columns=_OTHER_NAMES)
    if not {"path", "label"} <= set(table):
        warn(f"{file} tells no labels: it has no columns path and class")
        return None
    return table.drop_duplicates("path").set_index("path").reindex(columns=COLUMNS)
