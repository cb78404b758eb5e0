"""What scripts/karyotype.py says of its cells: on the terminal and on the page."""

import pandas as pd

from common.text import counted
from datamodules.inference.cell_images import FileStatus
from workflows.karyotyping.tables import Tables


def data_warnings(chromosomes: pd.DataFrame) -> list[str]:
    """Warn of images that the runs were trained on."""
    trained_on = chromosomes[chromosomes["seen"] == "train"]
    if trained_on.empty:
        return []
    cells = trained_on[["case", "cell"]].drop_duplicates()
    return [f"the model was trained on {counted(len(trained_on), 'image')} of {counted(len(cells), 'cell')}"]


def summary(tables: Tables) -> list[str]:
    """Account for every cell and every file."""
    cells, chromosomes, cases = tables
    kinds = cells["kind"].fillna("without karyotype").str.replace("_", " ").value_counts()
    statuses = chromosomes["status"].value_counts().reindex(list(map(str, FileStatus)), fill_value=0)
    lines = [
        f"{counted(len(cells), 'cell')}: {_enumerate(kinds)}",
        f"{counted(len(chromosomes), 'image')}: {_enumerate(statuses)}",
        f"to be referred to an expert: {(cells['refer'] == 'yes').sum():,}",
    ]
    if len(cases):
        lines.append(f"{counted(len(cases), 'case')} of several cells: see cases.csv")
    return lines


def _enumerate(counts: pd.Series) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
