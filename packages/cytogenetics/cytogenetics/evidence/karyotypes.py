"""Write the tables of karyotypes from the cells that are kept: ``python -m cytogenetics.evidence.karyotypes``."""

from pathlib import Path

import numpy as np
import pandas as pd

from cytogenetics.evidence.cases import read_truth, write_case_tables
from cytogenetics.karyotypes.naming import NORMAL_KARYOTYPES
from karyocyte.common.files import write_csv
from karyocyte.common.paths import ROOT
from karyocyte.evaluation.intervals.by_case import by_case
from karyocyte.evaluation.intervals.exact import share, upper_bound

RESULTS = ROOT / "results"
TABLES = {  # by the kept file
    "metaphases": "metaphases/karyotypes.csv",
    "chromosomes": "chromosomes/whole_cells.csv",
    "composed": "metaphases/composed.csv",
    "other_networks": "metaphases/other_networks.csv",
}
CONFIDENCE = 0.95


def measure(cells: pd.DataFrame) -> dict[str, float]:
    """Return shares of the chromosomes and of the cells; NaN where there are none."""
    counts = cells[["chromosomes", "found", "right", "alone"]].sum().astype(float) / cells["chromosomes"].sum()
    named = ~cells["referred"] & cells["named"].notna()
    return {
        "chromosomes found": counts["found"],
        "chromosomes right": counts["right"],
        "chromosomes right by their images alone": counts["alone"],
        "cells wholly right": cells["wholly_right"].mean(),
        "referred": cells["referred"].mean(),
        "not referred, wholly right": cells["wholly_right"][named].mean(),
        "not referred, karyotype exact": (cells["named"] == cells["true"])[named].mean(),
        "karyotype exact": (cells["named"] == cells["true"]).mean(),
        "probability of the karyotype, mean": cells["probability"].astype(float).mean(),
    }


def measure_pictures(cells: pd.DataFrame) -> dict[str, float]:
    """Return ``measure`` of pictures of metaphases, and what single chromosomes have not."""
    crossing = cells["crossing"].sum()
    excess = cells["found"].astype(int) + cells["invented"] - cells["chromosomes"]
    exact, referred = cells["named"] == cells["true"], cells["referred"]
    said_normal = cells["named"].isin(NORMAL_KARYOTYPES)
    # Where the declaration and the boxes agree.
    normal = (cells["kind"] == "normal") & cells["true"].isin(NORMAL_KARYOTYPES)
    numerical = (cells["kind"] == "numerical") & ~cells["true"].isin(NORMAL_KARYOTYPES)
    return (
        measure(cells)
        | {
            "crossing chromosomes found": cells["crossing_found"].sum() / crossing if crossing else np.nan,
            "found chromosomes right": cells["right"].sum() / cells["found"].sum(),
            "count within one": (excess.abs() <= 1).mean(),
            "normal pictures exact": exact[normal].mean(),
            "normal pictures not referred, exact": exact[normal & ~referred & cells["named"].notna()].mean(),
            "numerical abnormalities named exactly": exact[numerical].mean(),
            "numerical abnormalities named normal": said_normal[numerical].mean(),
            "numerical abnormalities named normal, not referred": (said_normal & ~referred)[numerical].mean(),
            "numerical abnormalities referred": referred[numerical].mean(),
            "numerical abnormalities among the karyotypes shown": cells["shown"][numerical].mean(),
            "structural pictures referred": referred[cells["kind"] == "structural"].mean(),
        }
        | _without_errors(cells)
    )


def _without_errors(cells: pd.DataFrame) -> dict[str, float]:
    """Return the shares of the pictures whose boxes have no error by rule; nothing where these are not known."""
    if "error" not in cells:
        return {}
    sound = cells[cells["error"].isna()]
    shares = {"boxes without an error by rule": len(sound) / len(cells)}
    metrics = ("cells wholly right", "karyotype exact", "not referred, wholly right", "not referred, karyotype exact")
    measured_again = measure(sound)
    return shares | {f"of these, {metric}": measured_again[metric] for metric in metrics}


def counted(pictures: pd.DataFrame) -> pd.DataFrame:
    """Return in how many cases errors or abnormalities are not referred, and how many corrections a reader makes.

    A case has an error where one of its cells that are not referred is not wholly right; its upper limit is exact and
    one-sided.
    """
    left = pictures[~pictures["referred"] & pictures["named"].notna()]
    wrong = (~left["wholly_right"]).groupby(left["case"]).any()
    rows: list[tuple[str, float | None, float | None, float | None]] = []
    rows += [("cases with a cell that is not referred", len(wrong), None, None)]
    rows += [("of these cases, with an error", wrong.mean(), None, None)]
    rows += [("of these cases, with an error, at most", upper_bound(wrong.sum(), len(wrong), CONFIDENCE), None, None)]
    abnormal = pictures[(pictures["kind"] == "numerical") & ~pictures["true"].isin(NORMAL_KARYOTYPES)]
    if len(abnormal):
        unseen = (abnormal["named"].isin(NORMAL_KARYOTYPES) & ~abnormal["referred"]).groupby(abnormal["case"]).all()
        found = share(unseen.sum(), len(unseen), CONFIDENCE)
        rows += [(f"numerical cases named normal, not referred, of {found.n}", found.value, found.low, found.high)]
    # A box is added, removed, or given another class.
    corrections = pictures["chromosomes"].astype(int) - pictures["right"] + pictures["invented"]
    for name, quantile in (("median", 0.5), ("90 %", 0.9)):
        rows.append((f"corrections of a picture, {name}", float(corrections.quantile(quantile)), None, None))
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])


def measure_composed(cells: pd.DataFrame) -> dict[str, float]:
    """Return what is said of abnormalities that were made in normal pictures."""
    said_normal = cells["named"].isin(NORMAL_KARYOTYPES)
    return {
        "named exactly": (cells["named"] == cells["true"]).mean(),
        "true karyotype among the five shown": cells["shown"].mean(),
        "named normal": said_normal.mean(),
        "referred": cells["referred"].mean(),
        "named normal, not referred": (said_normal & ~cells["referred"]).mean(),
        "referred before the change": cells["referred_before"].mean(),
    }


def metrics_by_case(cells: pd.DataFrame) -> pd.DataFrame:
    """Return metric, value, low and high of the kept cells of a part, with intervals by case."""
    if "referred_before" in cells:
        return by_case(lambda kept: measure_composed(cells[kept]), cells["case"], CONFIDENCE)
    if "crossing" not in cells:
        return by_case(lambda kept: measure(cells[kept]), cells["case"], CONFIDENCE)
    shares = by_case(lambda kept: measure_pictures(cells[kept]), cells["case"], CONFIDENCE)
    return pd.concat([shares, counted(cells)], ignore_index=True)


def write_tables(results: Path = RESULTS) -> None:
    """Write the tables of ``TABLES`` from the cells that are kept, a row per part and metric."""
    errors = read_truth(results).set_index("cell")["error"]
    for path in sorted(results.glob("evidence/karyotypes/*.parquet")):
        tables = []
        kept = pd.read_parquet(path)
        if path.stem == "metaphases":
            kept["error"] = kept["cell"].map(lambda file: errors[Path(file).stem])
        for part, cells in kept.groupby("part"):
            table = metrics_by_case(cells).assign(cells=len(cells), revision=" ".join(cells["revision"].unique()))
            table.insert(0, "label", part)
            tables.append(table)
        write_csv(results / TABLES[path.stem], pd.concat(tables).dropna(subset="value"), "%.6f")


if __name__ == "__main__":
    write_tables()
    write_case_tables(RESULTS)
