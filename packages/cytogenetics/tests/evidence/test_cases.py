"""Verdicts on cases beside their true karyotypes, counted by hand."""

from math import ceil

import numpy as np
import pandas as pd
import pytest

from cytogenetics.cells.cases import CaseCell
from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.cells.cell_thresholds import OF_METAPHASES
from cytogenetics.cells.posterior import karyotype_posterior
from cytogenetics.evidence.cases import (
    KEPT,
    MOSTLY_ABNORMAL,
    MOSTLY_NORMAL,
    PROVISIONAL,
    RISK,
    THRESHOLDS,
    TrueCase,
    choose_thresholds,
    least_probability,
    measured_cases,
    read_truth,
    true_cases,
    true_karyotypes,
    verdicts,
)
from cytogenetics.evidence.karyotypes import RESULTS
from packages.cytogenetics.tests.cells.cells import karyotype
from packages.cytogenetics.tests.cells.test_assignment import sure


def rows_of(probabilities, right, label="calibration", pictures="1"):
    """Rows of `verdicts`, a subset per case."""
    table = pd.DataFrame({"probability": probabilities, "right": right, "free": True, "label": label})
    return table.assign(case=[str(number) for number in range(len(table))], pictures=pictures)


def test_the_threshold_controls_the_share_of_cases_that_are_settled_and_wrong():
    many = ceil(1 / RISK) - 1
    few = many - 1
    assert least_probability(rows_of([0.9] * few, [True] * few)) == 1  # too few to tell
    assert least_probability(rows_of([0.9] * many, [True] * many)) == 0
    wrong = np.arange(many) < 2
    chosen = least_probability(rows_of(np.where(wrong, [0.95] + [0.97] * (many - 1), 0.9), ~wrong))
    assert 0.97 < chosen < 0.9701
    # With twice as many cases one of them may be settled and wrong.
    wrong = np.arange(2 * many + 1) < 2
    chosen = least_probability(rows_of(np.where(wrong, [0.95] + [0.97] * (2 * many), 0.9), ~wrong))
    assert 0.95 < chosen < 0.9501


def test_thresholds_are_those_of_the_worst_kind_of_case_or_provisional_ones_of_too_few():
    tables = []
    for pictures, wrong_at in zip("1234", (0.999, 0.998, 0.997, 0.7), strict=True):
        for kind in ("", ", sex chromosomes"):
            tables.append(rows_of([0.99] * 60, [True] * 60, f"calibration{kind}", pictures))
        wrong = [False] * 3 + [True] * 57
        tables.append(rows_of([wrong_at] * 3 + [0.5] * 57, wrong, "calibration, trisomies 13, 18, 21", pictures))
        for other in ("calibration, mosaics", "calibration, other trisomies", "second test"):
            tables.append(rows_of([0.9999], [False], other, pictures))
    table = pd.concat(tables)
    first, other = PROVISIONAL
    assert choose_thresholds(table)["settled_from"].tolist() == [first, 0.9981, 0.9971, other]
    few = table[(table["pictures"] < "3") | (table["case"].astype(int) < 1 / RISK - 2)]
    assert choose_thresholds(few)["settled_from"].tolist() == [first, 0.9981, 0.9981, 0.9981]
    assert choose_thresholds(few)["cases"].tolist() == [60, 60, 0, 0]
    without = table[~table["label"].str.endswith("chromosomes")]
    assert choose_thresholds(without)["cases"].tolist() == [0] * 4


def test_thresholds_of_the_networks_in_models_are_those_of_the_calibration():
    assert pd.read_csv(RESULTS / THRESHOLDS)["settled_from"].tolist() == [*OF_METAPHASES.settled]


def cell(name, labels):
    candidates, _ = karyotype_posterior(sure(labels), KaryotypePriors())
    return CaseCell.of(name, candidates, KaryotypePriors())


def test_every_subset_counts_and_boxes_with_an_error_are_told_apart():
    normal, down = karyotype("XX"), karyotype("XX", ["21"])
    boxes = {"a": "46,XX", "b": "46,XX", "c": "45,X"}
    cases = [TrueCase("test", "1", "46,XX", [cell(name, normal) for name in "abc"], boxes)]
    cases.append(TrueCase("test", "2", "47,XX,+21", [cell("d", down), cell("e", normal)], {}))
    rows = verdicts(cases)
    assert rows["pictures"].value_counts().to_dict() == {"1": 5, "2": 4, "3": 1, "all": 2}
    table = measured_cases(rows, [0.9, 0.9]).set_index("pictures")
    assert table.loc["1", ["cases", "right", "right_boxes", "settled"]].tolist() == [2, 0.75, (2 / 3 + 0.5) / 2, 0.75]
    assert table.loc["1", ["settled_cases", "wrong", "wrong_boxes"]].tolist() == [2, 1, 2]
    assert table.loc["1", "normal"] == 0.75  # each cell but d by itself
    assert table.loc["1", "at_most"] == pytest.approx(0.95**0.5)  # one of two
    assert table.loc["3", ["cases", "settled", "wrong"]].tolist() == [1, 1, 0]
    assert table.loc["all", "settled"] == 0.5  # d disagrees with e
    assert measured_cases(rows, [1.0])["settled"].sum() == 0


def test_a_case_has_the_karyotype_of_most_of_its_pictures_without_an_error():
    karyotypes = ["45,X", "45,X", "46,XX", "45,X", "47,XXY"]
    truth = pd.DataFrame({"case": list("aaabb"), "karyotype": karyotypes, "error": ["x", "x", None, "x", "x"]})
    assert true_karyotypes(truth) == {"a": "46,XX"}


def test_real_abnormal_cases_are_told_by_what_most_of_their_cells_are():
    kept = pd.read_parquet(RESULTS / KEPT / "pictures.parquet")
    real = kept[kept["case"].isin(["110113", "109134"]) & (kept["change"] == "")]
    groups = {case.name: (case.group, case.true) for case in true_cases(real, read_truth(RESULTS))}
    assert groups == {"110113": (MOSTLY_ABNORMAL, "47,XXY"), "109134": (MOSTLY_NORMAL, "46,XX")}
