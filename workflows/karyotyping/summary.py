"""What scripts/karyotype.py says of its cells: on the terminal and on the page."""

from dataclasses import astuple

import pandas as pd

from common.karyotype import CellThresholds
from common.text import counted
from datamodules.inference.cell_images import FileStatus
from workflows.karyotyping.tables import Tables

WIDTH = 78  # of a line on the terminal, which is set in by two


def data_warnings(chromosomes: pd.DataFrame) -> list[str]:
    """Warn of images that the runs were trained on."""
    trained_on = chromosomes[chromosomes["seen"] == "train"]
    if trained_on.empty:
        return []
    cells = trained_on[["case", "cell"]].drop_duplicates()
    return [f"the model was trained on {counted(len(trained_on), 'image')} of {counted(len(cells), 'cell')}"]


def cell_lines(tables: Tables) -> list[str]:
    """Name the cells, the most expected errors first, each on a line of the terminal."""
    lines = []
    for cell in tables.most_doubtful_first().itertuples():
        refer = "refer" if cell.refer == "yes" else ""
        lines.append(f"{cell.errors:<28}{refer:<7}{cell.title}: {cell.karyotype}"[:WIDTH])
    return lines


def summary(tables: Tables, thresholds: CellThresholds) -> list[str]:
    """Account for every cell and every file, and say above what a cell is referred."""
    cells, chromosomes, cases = tables
    kinds = cells["kind"].fillna("without karyotype").str.replace("_", " ").value_counts()
    statuses = chromosomes["status"].value_counts().reindex(list(map(str, FileStatus)), fill_value=0)
    lines = [
        f"{counted(len(cells), 'cell')}: {_enumerate(kinds)}",
        f"{counted(len(chromosomes), 'image')}: {_enumerate(statuses)}",
        f"to be referred to an expert: {(cells['refer'] == 'yes').sum():,}",
    ]
    limits = zip(("expected wrong", "in doubt", "mean distance"), astuple(thresholds), strict=False)
    above = [f"{words} {limit:.3g}" for words, limit in limits if limit is not None]
    lines.append(f"referred above: {', '.join(above)}")
    if len(cases):
        lines.append(f"{counted(len(cases), 'case')} of several cells: see cases.csv")
    return lines


def _enumerate(counts: pd.Series) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
