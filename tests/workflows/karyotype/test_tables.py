"""The table of cases."""

import numpy as np

from common.config.karyotype import KaryotypePriors
from datamodules.inference.cells import Cell
from evaluation.cytogenetics.cell_karyotype import karyotype_of_cell
from tests.evaluation.cytogenetics.cells import CLASSES, karyotype
from tests.evaluation.cytogenetics.test_assignment import sure
from workflows.karyotype.cell_result import CellResult
from workflows.karyotype.summary import case_tables
from workflows.karyotype.tables import case_table

PRIORS = KaryotypePriors()


def result(case, name, labels, logs=None):
    logs = sure(labels, wrong=1e-5) if logs is None else logs
    return CellResult(Cell(name, case, ()), (), karyotype_of_cell(logs, PRIORS, {}, 0.95), name, False)


def test_cells_of_a_case_have_one_karyotype():
    lost = karyotype("XY", ["21"], lost=["8"])
    cells = [result("p", str(number), karyotype("XY", ["21"])) for number in range(3)]
    cells += [result("p", "3", lost), result("q", "4", karyotype()), result(None, "5", karyotype())]
    cells += [result("r", "6", []), result("r", "7", karyotype())]
    (row,) = case_table(cells, PRIORS).to_dict("records")
    assert row == {
        "case": "p",
        "cells": 4,
        "karyotype": "47,XY,+21",
        "share": 1.0,
        "clones": "47,XY,+21[4]",
        "left_out": "-8 in 1",
        "changed": None,
    }
    (table,) = case_tables(case_table(cells, PRIORS))
    assert table.rows[0]["karyotype"] == "47,XY,+21"


def test_a_cell_that_the_others_change_is_named():
    labels = karyotype("XY", ["18"])
    logs = sure(labels, wrong=1e-5)
    third = np.flatnonzero(labels == CLASSES.index("18"))[0]
    logs[third, CLASSES.index("4")] = np.log(0.999)
    logs[third, CLASSES.index("18")] = np.log(0.001)
    cells = [result("p", "unsure", labels, logs), result("p", "a", labels), result("p", "b", labels)]
    assert cells[0].karyotype.karyotype.iscn == "47,XY,+4"
    (row,) = case_table(cells, PRIORS).to_dict("records")
    assert row["changed"] == "unsure: 47,XY,+18"
    assert row["karyotype"] == "47,XY,+18"


def test_without_cases_there_is_no_table():
    cells = [result(None, str(number), karyotype()) for number in range(2)]
    assert case_table(cells, PRIORS).empty
    assert case_tables(case_table(cells, PRIORS)) == []
