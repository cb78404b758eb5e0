"""The results of comparisons of homologues for the terminal."""

import pandas as pd
from rich.console import Group
from rich.text import Text

from common.text import counted
from evaluation.homologues.items import ABNORMAL
from evaluation.homologues.result import HomologueResult
from evaluation.terminal import frame_table

MOST = 5  # chromosomes that are named


def homologues_table(result: HomologueResult) -> Group:
    """Draw the AUC of pairs by size, of cells and cases, false alarms and localisation."""
    facts = f"{counted(result.cells, 'test cell')} of {counted(result.cases, 'case')}"
    return Group(
        Text(f"Homologues: abnormal or normal, {facts}", style="bold"),
        frame_table(_pairs(result), "Pairs: mean AUC within chromosome, and size at 80 % sensitivity"),
        frame_table(_units(result), "Cells and cases: AUC, all sizes"),
        *map(Text, _lines(result)),
    )


def _pairs(result: HomologueResult) -> pd.DataFrame:
    limits = {curve.kind: curve.limit for curve in result.curves}
    rows = []
    for kind in ("all", *ABNORMAL):
        row: dict[str, object] = {"kind": kind}
        for title, subset in (("all sizes", "all"), ("below 0.15", "size < 0.15"), ("from 0.15", "size >= 0.15")):
            row[title] = result.find("pair", "auc", kind, subset=subset, against="normal")
        rows.append(row | {"80 % from": limits.get(kind)})
        if kind == "pericentric inversion":
            for name in ("arm change < 0.04", "arm change >= 0.04"):
                found = result.find("pair", "auc", kind, subset=name, against="normal")
                rows.append({"kind": name.replace("arm change", "  arm"), "all sizes": found})
    return pd.DataFrame(rows).astype(object)


def _units(result: HomologueResult) -> pd.DataFrame:
    rows = []
    for kind in ("all", *ABNORMAL):
        row: dict[str, object] = {"kind": kind, "cell": result.find("cell", "auc", kind)}
        for cells, title in (("1", "case, 1 cell"), ("2", "case, 2 cells"), ("3+", "case, 3 or more")):
            row[title] = result.find("case", "auc", kind, cells=cells)
        rows.append(row)
    return pd.DataFrame(rows).astype(object)


def _lines(result: HomologueResult) -> list[str]:
    def of(*names: str, **others: str) -> str:
        return str(result.find(*names, **others))  # type: ignore[arg-type]

    alarms = sorted(result.chromosomes, key=lambda each: each.cell_alarms, reverse=True)
    most = ", ".join(f"{each.chromosome} ({each.cell_alarms})" for each in alarms[:MOST] if each.cell_alarms)
    return [
        f"rejoined or untouched: AUC {of('pair', 'auc', 'rejoined')}",
        f"exchanged or untouched: AUC {of('pair', 'auc', 'exchanged')}",
        f"specificity of untouched pairs: {of('pair', 'specificity', 'untouched')}, wanted 0.95",
        f"normal cells that alarm: {of('cell', 'alarmed', 'untouched')}",
        f"normal cases that alarm: {of('case', 'alarmed', 'untouched')}",
        f"chromosomes of most alarms (cells): {most or 'none'}",
        f"found: hottest point on the change {of('pair', 'localised', 'all')}",
        f"found: the changed one of the two {of('pair', 'which', 'all')}",
    ]
