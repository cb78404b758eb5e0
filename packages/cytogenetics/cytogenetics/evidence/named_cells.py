"""How right the karyotypes of scripts/karyotype.py are, cell by cell.

``python -m cytogenetics.evidence.named_cells pictures OUT DATA`` compares its output for a folder of pictures of
metaphases, a folder per case, with the boxes and classes of the data set DATA. ``cells OUT DATA`` compares that for the
test cells of fold 0 of a set of ``+experiment=chromosomes``, whose folder is DATA, with their labels; a missing OUT is
made.
"""

import subprocess
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.shared import show
from cytogenetics.evidence.karyotypes import DIGITS, keep, measured
from cytogenetics.images.boxes import overlaps
from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.karyotyping.karyotype_cells import karyotype_cells
from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest
from cytogenetics.karyotyping.karyotype_tables import RANKS
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from cytogenetics.metaphases.networks.matching import match
from cytogenetics.metaphases.training.evaluate_detections import SIDES, crossing_boxes
from cytogenetics.portable.pictures import BUILT_IN
from datamodules.image_datamodule import ImageDataModule
from karyocyte.common.cli import report_user_errors
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_csv, sha256_of_file, sha256_of_value
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import compose_config

LEAST = 0.5  # intersection over union of a box that finds a chromosome
SHOWN = ["named", *(f"{rank}karyotype" for rank in RANKS[1:])]  # candidates on the page
OF_CELL = ["case", "cell", "named", "probability", "referred"]
Output = Annotated[Path, typer.Argument(help="An output of scripts/karyotype.py.")]
Data = Annotated[Path, typer.Argument(help="The data set with its labels.")]
Keep = Annotated[str | None, typer.Option("--keep", help="Keep them in results/evidence, named by this commit.")]
app = typer.Typer(help="Compare the karyotypes of scripts/karyotype.py with labels.")


def read_output(output: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cells, with their ``named`` karyotypes, and the used files of an output of scripts/karyotype.py."""
    names = dict.fromkeys(("case", "cell", "class", "alone"), str)
    cells, files = (read_csv(output / f"{table}.csv", dtype=names) for table in ("karyotypes", "chromosomes"))
    cells = cells.rename(columns={"karyotype": "named"}).assign(referred=cells["refer"] == "yes")
    return cells.fillna({"case": ""}), files[files["status"] == "used"].fillna({"case": ""})


def named_pictures(output: Path, frame: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Compare an output of scripts/karyotype.py with a manifest of metaphases, whose pictures are below ``root``.

    Returns:
        A row per picture: its ``case``, ``kind`` and ``part``, as the data set declares them; the karyotypes that are
        ``true`` of its boxes and ``named`` (NaN of one that is not), with its ``probability``; whether the true one is
        ``shown``; whether it is ``referred``, and ``wholly_right``; how many ``chromosomes`` it has, how many of these
        are ``found``, have the ``right`` class, and have it by their image ``alone``; how many are ``crossing`` others
        and ``crossing_found``; and how many are ``invented``, without a box.

    Raises:
        UserError: A picture of the output is not in the data set.
    """
    cells, files = read_output(output)
    files = files.sort_values("box_probability", ascending=False)
    by_name = frame.set_index("image_id")
    rows = []
    for cell in cells.to_dict("records"):
        if cell["cell"] not in by_name.index:
            raise UserError(f"{cell['cell']} is no picture of the data set: name the one that its picture is of")
        truth = by_name.loc[cell["cell"]]
        compared = _compare(files[(files["cell"] == cell["cell"]) & (files["case"] == cell["case"])], truth)
        compared["shown"] = compared["true"] in [cell[name] for name in SHOWN]
        compared["sha256"] = sha256_of_file(root / truth["path"])[:DIGITS]
        rows.append({**{name: cell[name] for name in OF_CELL}, **compared, "cell": Path(truth["path"]).name})
    return pd.DataFrame(rows)


def _compare(files: pd.DataFrame, truth: pd.Series) -> dict[str, Any]:
    boxes = np.asarray(truth["boxes"], float)
    matched = match(overlaps(files[SIDES].to_numpy(float), boxes), LEAST)
    found = matched >= 0
    crossing = crossing_boxes(boxes)
    classes = np.array([CHROMOSOMES[label] for label in truth["chromosomes"]])
    right, alone = (files[["class", "alone"]].to_numpy()[found] == classes[matched[found], None]).sum(axis=0)
    return {
        "part": truth["part"],
        "case": str(truth["subject"]),
        "kind": truth.get("kind"),
        "true": name_karyotype(Counter(classes.tolist())).iscn,
        "wholly_right": right == len(classes) == len(files),
        "chromosomes": len(classes),
        "found": found.sum(),
        "right": right,
        "alone": alone,
        "crossing": len(crossing),
        "crossing_found": np.isin(matched, crossing).sum(),
        "invented": (~found).sum(),
    }


def held_out_cells(data: Path) -> pd.DataFrame:
    """Return the files of the test cells of fold 0 as a table of cells: path, case_id, cell_id and class."""
    words = ["+experiment=chromosomes", "data=chromosomes", f"data_dir={data}"]
    images = ImageDataModule(compose_config(words), progress=False)
    manifest = images.manifest
    rows = images.rows("test")
    table = manifest.frame.iloc[rows][["subject", "cell"]].set_axis(["case_id", "cell_id"], axis=1)
    table["path"] = [str(manifest.file(row)) for row in rows.tolist()]
    return table.assign(**{"class": manifest.frame["label"].iloc[rows]})


def named_cells(output: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Compare an output of scripts/karyotype.py with a table of cells.

    Returns:
        A row per cell, as of ``named_pictures``; ``found`` are the files that are used, and ``sha256`` is that of all.
    """
    cells, files = read_output(output)
    table = table.merge(files.set_index("file")[["class", "alone", "sha256"]], "left", left_on="path", right_index=True)
    right = table[["class_y", "alone"]].eq(table["class_x"], axis=0).set_axis(["right", "alone"], axis=1)
    right = right.assign(chromosomes=1, found=table["class_y"].notna()).groupby(table["cell_id"]).sum()
    of_cell = table.groupby("cell_id")
    right["sha256"] = of_cell["sha256"].agg(lambda all_files: sha256_of_value(sorted(all_files.dropna()))[:DIGITS])
    right["true"] = of_cell["class_x"].agg(lambda kinds: name_karyotype(Counter(kinds)).iscn)
    return cells[OF_CELL].join(right.assign(wholly_right=right["right"] == right["chromosomes"]), on="cell")


@app.command()
def pictures(output: Output, data: Data, revision: Keep = None) -> None:
    """Measure the karyotypes of pictures of metaphases."""
    module = MetaphaseDataModule(compose_config([f"data_dir={data}"], "detector"))
    frame = module.manifest.frame.assign(part=module.parts if revision else None)
    report(named_pictures(output, frame, module.manifest.root), "metaphases", revision)


@app.command()
def cells(output: Output, data: Data, revision: Keep = None) -> None:
    """Measure the karyotypes of test cells of single chromosomes."""
    table = held_out_cells(data)
    if not output.exists():
        table.to_csv(listed := output.with_suffix(".csv"), index=False)
        karyotype_cells(KaryotypeRequest.read([str(BUILT_IN), str(listed)], output=output))
    report(named_cells(output, table).assign(part=data.name), "chromosomes", revision)


def report(compared: pd.DataFrame, kind: str, revision: str | None) -> None:
    """Show what is measured of cells, and keep them if a revision named them."""
    table = measured(compared)
    show(table, f"{len(compared)} cells of {compared['case'].nunique()} cases", table.columns)
    if revision is not None:
        command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--short=12", f"{revision}^{{commit}}"]
        known = subprocess.run(command, capture_output=True, text=True)
        keep(compared, kind, known.stdout.strip() or f"{revision} is no commit")


if __name__ == "__main__":
    report_user_errors()(app)()
