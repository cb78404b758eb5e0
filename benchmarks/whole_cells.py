"""How right the karyotypes are that the built-in model names from cells of single chromosomes that did not train it.

``python -m benchmarks.whole_cells DATA --csv results/chromosomes/whole_cells.csv`` names the test cells of fold 0 of a
set of ``+experiment=chromosomes``, whose folder is DATA, and compares them with their labels.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import pandas as pd
import typer

from benchmarks.shared import show
from datamodules.image_datamodule import ImageDataModule
from karyocyte.common.cli import console, report_user_errors
from karyocyte.common.composition.compose import compose_config
from karyocyte.common.files import read_csv, write_csv
from karyocyte.common.revision import revision
from karyocyte.common.runs.portable import BUILT_IN
from karyocyte.workflows.karyotyping.karyotype_cells import karyotype_cells
from karyocyte.workflows.karyotyping.karyotype_request import KaryotypeRequest
from karyocyte.workflows.training.detection.steps import by_case

LEFT_OUT = "left_out"  # the status of a file that is taken for no single chromosome


def held_out_cells(data: Path) -> pd.DataFrame:
    """Return the files of the test cells of fold 0 as a table of cells: path, case_id, cell_id and class."""
    words = ["+experiment=chromosomes", "data=chromosomes", f"data_dir={data}"]
    images = ImageDataModule(compose_config(words), progress=False)
    manifest = images.manifest
    rows = images.rows("test")
    table = manifest.frame.iloc[rows][["subject", "cell"]].set_axis(["case_id", "cell_id"], axis=1)
    table["path"] = [str(manifest.file(row)) for row in rows.tolist()]
    return table.assign(**{"class": manifest.frame["label"].iloc[rows]})


def named_cells(table: pd.DataFrame, model: Path = BUILT_IN) -> pd.DataFrame:
    """Name the karyotypes of cells.

    Returns:
        A row per cell: its ``case`` and ``cell``, its number of ``files``, how many of those that are used have a
        ``wrong`` class, how many real chromosomes are ``left_out``, ``expected_wrong`` and whether it is ``referred``.
    """
    with TemporaryDirectory() as temporary:
        listed, output = Path(temporary, "cells.csv"), Path(temporary, "output")
        table.to_csv(listed, index=False)
        with console.capture():
            karyotype_cells(KaryotypeRequest(words=[str(model), str(listed)], output=output))
        cells = read_csv(output / "karyotypes.csv", dtype={"case": str, "cell": str})
        files = read_csv(output / "chromosomes.csv", dtype=str)
    labels = table.set_index("path")["class"]
    wrong = (files["status"] == "used") & (files["class"] != files["file"].map(labels))
    left_out = files["status"] == LEFT_OUT
    counts = pd.DataFrame({"wrong": wrong, LEFT_OUT: left_out}).groupby(files["cell"]).sum()
    kept = cells[["case", "cell", "files", "expected_wrong"]].assign(referred=cells["refer"] == "yes")
    return kept.join(counts, on="cell")


def measure(cells: pd.DataFrame) -> dict[str, float]:
    """Return shares of the cells of ``named_cells``; NaN where there are none."""
    right = cells["wrong"] == 0
    return {
        "cells right": right.mean(),
        "referred": cells["referred"].mean(),
        "not referred, right": right[~cells["referred"]].mean(),
        "with a chromosome left out": (cells[LEFT_OUT] > 0).mean(),
    }


def run(
    data: Annotated[Path, typer.Argument(help="The folder of a set with labels.csv, see data=chromosomes.")],
    csv: Annotated[Path | None, typer.Option(help="Where the cells are written.")] = None,
) -> None:
    """Name test cells by the built-in model, and count what is wrong and what is referred."""
    cells = named_cells(held_out_cells(data))
    shares = by_case(lambda kept: measure(cells[kept]), cells["case"], 0.95)
    show(shares, f"{len(cells)} cells of {cells['case'].nunique()} cases", shares.columns)
    if csv is not None:
        write_csv(csv, cells.assign(revision=revision()))


if __name__ == "__main__":
    typer.run(report_user_errors()(run))
