"""The tables of the terminal and of the report."""

import pandas as pd

from evaluation.homologues.items import ABNORMAL, BOTH_SIDES, IN_CELLS
from evaluation.homologues.result import HomologueResult
from evaluation.result import Interval


def pairs_table(result: HomologueResult) -> pd.DataFrame:
    """Return a row per kind: AUC of pairs by size, and the size at which most are found; cells are intervals."""
    limits = {curve.kind: curve.limit for curve in result.curves}
    rows = []
    for kind in ("all", *ABNORMAL, BOTH_SIDES):
        row: dict[str, object] = {"kind": kind}
        for title, subset in (("all sizes", "all"), ("below 0.15", "size < 0.15"), ("from 0.15", "size >= 0.15")):
            row[title] = result.find("pair", "auc", kind, subset=subset, against="normal")
        rows.append(row | {"80 % from": limits.get(kind)})
        if kind == "pericentric inversion":
            for name in ("arm change < 0.04", "arm change >= 0.04"):
                found = result.find("pair", "auc", kind, subset=name, against="normal")
                rows.append({"kind": name.replace("arm change", "  arm"), "all sizes": found})
    return pd.DataFrame(rows).astype(object)


def units_table(result: HomologueResult) -> pd.DataFrame:
    """Return a row per kind: AUC of cells, of cases by their number of cells, and of pairs averaged over the cells."""
    rows = []
    for kind in ("all", *IN_CELLS):
        row: dict[str, object] = {"kind": kind, "cell": result.find("cell", "auc", kind)}
        for cells, title in (("1", "case, 1 cell"), ("2", "case, 2 cells"), ("3+", "case, 3 or more")):
            row[title] = result.find("case", "auc", kind, cells=cells)
        row["pair, 3 or more cells"] = result.find("case pair", "auc", kind, cells="3+")
        rows.append(row)
    return pd.DataFrame(rows).astype(object)


def controls(result: HomologueResult) -> dict[str, Interval | None]:
    """Return what normal pairs, cells and cases look like, and what is found where, by what it is called in words."""
    return {
        "AUC of rejoined against untouched pairs": result.find("pair", "auc", "rejoined"),
        "AUC of exchanged against untouched pairs": result.find("pair", "auc", "exchanged"),
        "AUC of pairs with an exchanged end, a kind never trained on": result.find("pair", "auc", "exchanged end"),
        "specificity of untouched pairs, 0.95 wanted": result.find("pair", "specificity", "untouched"),
        "normal cells that alarm": result.find("cell", "alarmed", "untouched"),
        "normal cases that alarm": result.find("case", "alarmed", "untouched"),
        "cells with a rejoined pair against untouched ones, AUC": result.find("cell", "auc", "rejoined"),
        "cells with an exchanged pair against untouched ones, AUC": result.find("cell", "auc", "exchanged"),
        "found: hottest point on the change": result.find("pair", "localised", "all"),
        "found: the same by chance": result.find("pair", "localised by chance", "all"),
        "found: at the most frequent place of the chromosome": result.find("pair", "localised by a fixed place", "all"),
        "found: the changed one of the two": result.find("pair", "which", "all"),
    }
