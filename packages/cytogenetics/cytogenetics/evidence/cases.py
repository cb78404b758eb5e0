"""How right the verdicts on cases are, from the cells in results/evidence/cases.

Of each case every subset of one to four pictures is decided on, and all of its pictures. Shares are means over the
cases of a part of the means over the subsets of each.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from cytogenetics.cells.cases import SETTLED, CaseCell, case_verdict
from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.cells.cell_thresholds import OF_METAPHASES
from cytogenetics.cells.posterior import Candidate
from cytogenetics.karyotypes.naming import NORMAL_KARYOTYPES, name_clones, name_karyotype
from karyocyte.common.files import write_csv
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.evaluation.intervals.exact import upper_bound

KEPT = Path("evidence", "cases")  # below results/
TABLE = Path("metaphases", "case_verdicts.csv")
THRESHOLDS = Path("metaphases", "case_thresholds.csv")
MOST = 4  # pictures of a subset
RISK = 0.03  # of a case that is settled and wrong, which thresholds are chosen for: 33 cases allow no less
# Thresholds where too few cases of the calibration are kept: a single picture settles nothing. None is less than the
# second, which was chosen with cases of the test parts, too.
PROVISIONAL = (1.0, 0.995)
LIVING = ("13", "18", "21")  # trisomies of other autosomes are hardly ever born: they choose no threshold
KINDS = 3  # of cases that choose thresholds: as they are, trisomies of LIVING, and changes of sex chromosomes
CONFIDENCE = 0.95
CALIBRATION = "calibration"
OTHERS, MOSAICS = "other trisomies", "mosaics"
# Of the cases that are declared abnormal, those whose boxes are so in most pictures, and the others.
MOSTLY_ABNORMAL, MOSTLY_NORMAL = "real, most cells abnormal", "real, most cells normal"
# What is not settled whatever its probability stays so; the probability is compared with thresholds afterwards.
WITHOUT = replace(OF_METAPHASES, settled=(0.0,))


@dataclass(frozen=True)
class TrueCase:
    """A case whose karyotype is known, with the cells of its pictures."""

    group: str  # of cases that are measured together
    name: str
    true: str
    cells: Sequence[CaseCell]
    boxes: Mapping[str, str]  # the karyotype of the boxes of each cell, where it may be another one


def true_karyotypes(truth: pd.DataFrame) -> dict[str, str]:
    """Return the most frequent karyotype of the boxes of each case, of pictures whose boxes have no error by rule."""
    sound = truth[truth["error"].isna()]
    karyotypes: dict[str, str] = sound.groupby("case")["karyotype"].agg(_most_frequent).to_dict()
    return karyotypes


def _most_frequent(names: pd.Series) -> str:
    return str(names.value_counts(sort=False).idxmax())


def case_cells(kept: pd.DataFrame) -> list[CaseCell]:
    """Return the cells of kept rows."""
    cells = []
    for row in kept.itertuples():
        candidates = []
        counts = np.frombuffer(row.counts, np.uint8).reshape(-1, len(CHROMOSOMES))
        for of_one, probability in zip(counts, np.frombuffer(row.probabilities, np.float32), strict=True):
            named = name_karyotype(dict(zip(CHROMOSOMES, of_one.tolist(), strict=True)))
            candidates.append(Candidate(named, np.repeat(np.arange(len(CHROMOSOMES)), of_one), float(probability)))
        cells.append(CaseCell.of(row.cell, candidates, KaryotypePriors(), float(row.distance)))
    return cells


def true_cases(kept: pd.DataFrame, truth: pd.DataFrame) -> Iterator[TrueCase]:
    """Yield the cases as they are, those with a composed change, and mosaics of both, half of their pictures each.

    A case of which all boxes have an error is left out: nobody knows its karyotype.
    """
    karyotypes = true_karyotypes(truth)
    boxes = dict(zip(truth["cell"], truth["karyotype"], strict=True))
    abnormal = set(truth["case"][truth["kind"] == "numerical"])
    for (part, case), pictures in kept.dropna(subset="counts").groupby(["part", "case"]):
        if case not in karyotypes:
            continue
        whole = case_cells(pictures[pictures["change"] == ""])
        real = MOSTLY_NORMAL if karyotypes[case] in NORMAL_KARYOTYPES else MOSTLY_ABNORMAL
        yield TrueCase(real if case in abnormal else part, case, karyotypes[case], whole, boxes)
        for change, changed in pictures[pictures["change"] != ""].groupby("change"):
            cells, true = case_cells(changed), changed["true"].iloc[0]
            trisomy = "trisomies 13, 18, 21" if change[1:] in LIVING else OTHERS
            kind = "sex chromosomes" if change[1:] in "XY" else trisomy
            yield TrueCase(f"{part}, {kind}", case, true, cells, {})
            half = MOST // 2
            if len(cells) >= MOST:
                mixed = name_clones({true: half, karyotypes[case]: half})
                yield TrueCase(f"{part}, {MOSAICS}", case, mixed, [*whole[:half], *cells[half:MOST]], {})


def verdicts(cases: Iterator[TrueCase] | Sequence[TrueCase]) -> pd.DataFrame:
    """Return a row per subset of the pictures of a case; ``free`` of what is not settled whatever its probability."""
    rows = []
    for case in cases:
        subsets = [("all", tuple(case.cells))]
        for size in [MOST] if case.group.endswith(MOSAICS) else range(1, MOST + 1):
            subsets += [(str(size), cells) for cells in combinations(case.cells, size)]
        for pictures, cells in subsets:
            verdict = case_verdict(cells, KaryotypePriors(), WITHOUT)
            names = [cell.name for cell in cells]
            by_boxes = _most_frequent(pd.Series([case.boxes.get(name, case.true) for name in names]))
            facts: dict[str, object] = {"label": case.group, "case": case.name, "pictures": pictures}
            facts |= {"cells": " ".join(names), "count": len(cells)}
            facts |= {"probability": verdict.constitution.probability, "free": verdict.to_do == SETTLED}
            named = verdict.named.iscn
            rows.append(facts | {"named": named, "right": named == case.true, "right_boxes": named == by_boxes})
    return pd.DataFrame(rows)


def least_probability(rows: pd.DataFrame) -> float:
    """Return from which probability cases of a number of pictures are settled: conformal risk control.

    With L the sum over n cases of the share of its subsets that are settled and wrong, (L + 1) / (n + 1) is at most
    RISK (Angelopoulos et al., Conformal risk control, 2024); 1 where no probability does so.
    """
    cases = rows["case"].nunique()
    wrong = rows[rows["free"] & ~rows["right"]]
    of_subset = 1 / rows.groupby("case").size()[wrong["case"]].to_numpy()
    for least in [0.0, *np.nextafter(np.sort(wrong["probability"]), 1)]:
        if (of_subset[wrong["probability"] >= least].sum() + 1) / (cases + 1) <= RISK:
            return float(least)
    return 1.0


def choose_thresholds(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the thresholds by the number of pictures, rounded up to four digits, and the cases that chose them.

    Each is the largest one over the cases of the calibration as they are and with each kind of change, and not less
    than PROVISIONAL. This holds, of 0 cases, where one of the kinds has too few, or else that of fewer pictures.
    """
    chosen: list[tuple[int, float, int]] = []
    calibration = rows[rows["label"].str.startswith(CALIBRATION) & ~rows["label"].str.endswith((OTHERS, MOSAICS))]
    for pictures in range(1, MOST + 1):
        groups = calibration[calibration["pictures"] == str(pictures)].groupby("label")
        cases = groups["case"].nunique().min()
        least = PROVISIONAL[pictures - 1] if pictures <= len(PROVISIONAL) else PROVISIONAL[-1]
        if cases + 1 < 1 / RISK or groups.ngroups < KINDS:
            cases = 0
            if pictures > len(PROVISIONAL):
                least = chosen[-1][1]
        else:
            least = max([least, *(least_probability(of_group) for _, of_group in groups)])
        chosen.append((pictures, np.ceil(least * 1e4) / 1e4, cases))
    return pd.DataFrame(chosen, columns=["pictures", "settled_from", "cases"])


def settled(rows: pd.DataFrame, settled_from: Sequence[float]) -> pd.DataFrame:
    """Return ``verdicts`` with ``settled`` by thresholds, and whether this is ``wrong``, or ``wrong_boxes``."""
    least = np.array(settled_from)[np.minimum(rows["count"], len(settled_from)) - 1]
    rows = rows.assign(settled=rows["free"] & (rows["probability"] >= least))
    rows = rows.assign(normal=rows["named"].isin(NORMAL_KARYOTYPES), wrong=rows["settled"] & ~rows["right"])
    return rows.assign(wrong_boxes=rows["settled"] & ~rows["right_boxes"])


def measured_cases(rows: pd.DataFrame, settled_from: Sequence[float]) -> pd.DataFrame:
    """Return the shares of each part and number of pictures.

    ``right``: named rightly; ``right_boxes``: as most of the boxes of these pictures say, with the data's errors;
    ``normal``: named 46,XX or 46,XY; ``settled``; and in how many of the ``settled_cases``, those with a settled
    subset, one is ``wrong``, with the exact one-sided upper limit of their share.
    """
    groups = ["label", "pictures"]
    by_case = settled(rows, settled_from).groupby([*groups, "case"])
    shares = by_case[["right", "right_boxes", "normal", "settled"]].mean().groupby(groups).mean()
    counts = by_case[["settled", "wrong", "wrong_boxes"]].any().groupby(groups).sum()
    table = shares.join(counts.rename(columns={"settled": "settled_cases"}))
    table.insert(0, "cases", by_case.size().groupby(groups).size())
    limits = [upper_bound(wrong, cases, CONFIDENCE) for wrong, cases in table[["wrong", "settled_cases"]].to_numpy()]
    return table.assign(at_most=limits).reset_index()


def read_truth(results: Path) -> pd.DataFrame:
    """Return the errors of boxes by rule: ``case``, ``cell``, ``kind`` as declared, ``karyotype``, ``error``."""
    return pd.read_csv(results / "metaphases" / "truth.csv", dtype=str)


def write_case_tables(results: Path) -> None:
    """Write the thresholds and the table of verdicts from the kept cells."""
    kept = pd.concat([pd.read_parquet(path) for path in sorted((results / KEPT).glob("*.parquet"))])
    rows = verdicts(true_cases(kept, read_truth(results)))
    thresholds = choose_thresholds(rows)
    write_csv(results / THRESHOLDS, thresholds, "%.4f")
    tests = rows[rows["label"].str.contains("^(?:first|second|third) test")]
    tests = tests.assign(label=tests["label"].str.replace("^(first|second|third) test", "all test parts", regex=True))
    write_csv(results / TABLE, measured_cases(pd.concat([rows, tests]), thresholds["settled_from"].tolist()), "%.6f")
