"""How right the karyotypes are that scripts/karyotype.py names from pictures of metaphases, by case.

``python -m benchmarks.metaphases OUT DATA --csv results/metaphases/karyotypes.csv`` compares an output of
scripts/karyotype.py with the boxes and classes of the pictures in a data set (data=metaphases).
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.shared import show
from datamodules.metaphases.data_module import MetaphaseDataModule
from karyocyte.common.cli import report_user_errors
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_csv, write_csv
from karyocyte.common.karyotype import CHROMOSOMES, name_karyotype
from karyocyte.common.pictures.boxes import overlaps
from karyocyte.common.revision import revision
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.result import Share
from karyocyte.workflows.karyotyping.karyotype_tables import RANKS
from karyocyte.workflows.training.detection.evaluate_detections import SIDES, crossing_boxes
from karyocyte.workflows.training.detection.steps import by_case
from lightning_modules.detection.matching import match

LEAST = 0.5  # intersection over union of a box that finds a chromosome
NORMAL = ("46,XX", "46,XY")
COMMON = (",+18", ",+21")  # the trisomies that are counted
SHOWN = [f"{rank}karyotype" for rank in RANKS]  # candidates on the page


def named_pictures(output: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Compare an output of scripts/karyotype.py with a manifest of metaphases.

    Returns:
        A row per picture: its ``case`` and ``kind``, as the data set declares them; the karyotypes that are ``true`` of
        its boxes and ``said`` (None of one that is not named), and whether they are equal (``exact``); those that
        are ``shown``; whether it is ``referred``; how many ``boxes`` it has, how many of these are ``found`` and have
        the ``right`` class, how many are ``crossing`` others and ``crossing_found``, and how many chromosomes are
        ``invented``, without a box.

    Raises:
        UserError: A picture of the output is not in the data set.
    """
    names = {"case": str, "cell": str, "class": str}
    cells = read_csv(output / "karyotypes.csv", dtype=names).fillna({"case": ""})
    files = read_csv(output / "chromosomes.csv", dtype=names).fillna({"case": ""})
    files = files[files["status"] == "used"].sort_values("box_probability", ascending=False)
    by_name = frame.set_index("image_id")
    rows = []
    for cell in cells.to_dict("records"):
        if cell["cell"] not in by_name.index:
            raise UserError(f"{cell['cell']} is no picture of the data set: name the one that its picture is of")
        of_cell = files[(files["cell"] == cell["cell"]) & (files["case"] == cell["case"])]
        said = {"said": cell["karyotype"], "referred": cell["refer"] == "yes"}
        said["shown"] = [cell[name] for name in SHOWN]
        rows.append(said | _compare(of_cell, by_name.loc[cell["cell"]]))
    pictures = pd.DataFrame(rows)
    return pictures.assign(exact=pictures["said"] == pictures["true"])


def _compare(files: pd.DataFrame, truth: pd.Series) -> dict[str, Any]:
    boxes = np.asarray(truth["boxes"], float)
    matched = match(overlaps(files[SIDES].to_numpy(float), boxes), LEAST)
    found = matched >= 0
    crossing = crossing_boxes(boxes)
    classes = np.array([CHROMOSOMES[label] for label in truth["chromosomes"]])
    return {
        "case": str(truth["subject"]),
        "kind": truth.get("kind"),
        "true": name_karyotype(Counter(classes.tolist())).iscn,
        "boxes": len(classes),
        "found": found.sum(),
        "right": (files["class"].to_numpy()[found] == classes[matched[found]]).sum(),
        "crossing": len(crossing),
        "crossing_found": np.isin(matched, crossing).sum(),
        "invented": (~found).sum(),
    }


def measure(pictures: pd.DataFrame) -> dict[str, float]:
    """Return shares of the chromosomes, and of the pictures, of ``named_pictures``; NaN where there are none."""
    counts = pictures[["boxes", "found", "right", "crossing", "crossing_found"]].sum().astype(float)
    excess = pictures["found"] + pictures["invented"] - pictures["boxes"]
    wholly_right = (pictures["right"] == pictures["boxes"]) & (pictures["invented"] == 0)
    referred, exact = pictures["referred"], pictures["exact"]
    named = ~referred & pictures["said"].notna()
    # Where the declaration and the boxes agree.
    normal = (pictures["kind"] == "normal") & pictures["true"].isin(NORMAL)
    numerical = (pictures["kind"] == "numerical") & ~pictures["true"].isin(NORMAL)
    among = pictures.apply(lambda picture: picture["true"] in picture["shown"], axis=1)
    said_normal = pictures["said"].isin(NORMAL)
    trisomy = pictures["true"].str.endswith(COMMON)
    return {
        "chromosomes found": counts["found"] / counts["boxes"],
        "chromosomes right": counts["right"] / counts["boxes"],
        "crossing chromosomes found": counts["crossing_found"] / (counts["crossing"] or np.nan),
        "found chromosomes right": counts["right"] / counts["found"],
        "cells wholly right": wholly_right.mean(),
        "count within one": (excess.abs() <= 1).mean(),
        "referred": referred.mean(),
        "karyotype exact": exact.mean(),
        "normal pictures exact": exact[normal].mean(),
        "normal pictures not referred, exact": exact[normal & named].mean(),
        "normal pictures not referred, named abnormal": (~said_normal)[normal & named].mean(),
        "numerical abnormalities named exactly": exact[numerical].mean(),
        "numerical abnormalities named as another one": (~exact & ~said_normal)[numerical].mean(),
        "numerical abnormalities named normal": said_normal[numerical].mean(),
        "numerical abnormalities named normal, not referred": (said_normal & ~referred)[numerical].mean(),
        "numerical abnormalities referred": referred[numerical].mean(),
        "numerical abnormalities among the karyotypes shown": among[numerical].mean(),
        "numerical abnormalities named or referred": (referred | exact)[numerical].mean(),
        "not referred, wholly right": wholly_right[named].mean(),
        "trisomy 18 or 21 found or referred": (referred | exact)[trisomy].mean(),
        "structural pictures referred": referred[pictures["kind"] == "structural"].mean(),
    }


def unseen_cases(pictures: pd.DataFrame, confidence: float) -> Share:
    """Count the cases of a numerical abnormality whose abnormal pictures are all named normal and not referred."""
    abnormal = pictures[(pictures["kind"] == "numerical") & ~pictures["true"].isin(NORMAL)]
    unseen = abnormal["said"].isin(NORMAL) & ~abnormal["referred"]
    of_cases = unseen.groupby(abnormal["case"]).all()
    return share(of_cases.sum(), len(of_cases), confidence)


def measured(pictures: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Return what ``measure`` counts with its intervals by case: metric, value, low and high; and ``unseen_cases``.

    The corrections that a reader has to make (a box added, removed, or given another class) have no interval.
    """
    table = by_case(lambda kept: measure(pictures[kept]), pictures["case"], confidence)
    unseen = unseen_cases(pictures, confidence)
    metric = f"abnormal cases named normal, not referred, of {unseen.total}"
    table.loc[len(table)] = {"metric": metric, "value": unseen.value, "low": unseen.low, "high": unseen.high}
    corrections = pictures["boxes"] - pictures["right"] + pictures["invented"]
    for name, quantile in (("median", 0.5), ("90 %", 0.9)):
        table.loc[len(table)] = {"metric": f"corrections of a picture, {name}", "value": corrections.quantile(quantile)}
    return table


def run(
    output: Annotated[Path, typer.Argument(help="An output of scripts/karyotype.py.")],
    data: Annotated[Path, typer.Argument(help="The data set that its pictures are of: its boxes and classes.")],
    csv: Annotated[Path | None, typer.Option(help="Where the table is written.")] = None,
) -> None:
    """Measure the karyotypes of pictures of metaphases against boxes and classes of a data set."""
    pictures = named_pictures(output, MetaphaseDataModule(data_dir=str(data)).manifest.frame)
    table = measured(pictures)
    show(table, f"{len(pictures)} pictures of {pictures['case'].nunique()} cases", table.columns)
    if csv is not None:
        write_csv(csv, table.assign(pictures=len(pictures), revision=revision()))


if __name__ == "__main__":
    typer.run(report_user_errors()(run))
