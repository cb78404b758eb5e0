"""Cells are solved anew around what a reader has fixed."""

from itertools import permutations

import numpy as np
import pytest

from common.karyotype import CHROMOSOMES
from tests.workflows.review.bundles import MALE, decision, log_probabilities, write_bundle
from workflows.cell_bundle import ReviewedCell, ReviewedFile, rounded
from workflows.review.cell_state import shown_cell, solve
from workflows.review.decisions import CellDecisions


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path)


def moved(image, to):
    return CellDecisions([decision("move", cell="c1", image=image, to=to)])


def classes_of(shown):
    return [one["class"] for one in shown["files"]]


def test_without_decisions_it_is_the_joint_assignment(bundle):
    shown = shown_cell(bundle, "c1", CellDecisions(), blind=False)
    assert classes_of(shown) == MALE
    assert shown["result"] == "46,XY"
    doubtful = shown["files"][8]
    assert doubtful["others"][0][0] == "4"


def test_others_are_assigned_around_a_fixed_chromosome(bundle):
    # A 4 that is said to be a 5 pushes the 5 that resembles a 4 to class 4.
    shown = shown_cell(bundle, "c1", moved("c1/06.png", "5"), blind=False)
    assert shown["files"][6]["class"] == "5"
    assert shown["files"][6]["fixed"]
    assert shown["files"][8]["class"] == "4"
    assert shown["result"] == "46,XY"
    shown = shown_cell(bundle, "c1", moved("c1/45.png", "none"), blind=False)
    assert shown["result"] == "45,X"
    assert shown["counts"]["Y"] == 0


def test_the_best_assignment_is_that_of_brute_force(bundle):
    # All but five chromosomes are fixed; of these all assignments to the five free places are tried.
    rng = np.random.default_rng(1)
    free = [0, 2, 20, 30, 40]
    for _ in range(5):
        logs = log_probabilities(MALE)
        logs[free] = np.log(rng.dirichlet(np.full(24, 2.0), 5))
        places = [MALE[row] for row in free]
        logs[free] -= 9.0  # only classes of the free places are likely, so that the counts are those of 46,XY
        for name in places:
            logs[free, CHROMOSOMES.index(name)] += 9.0
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        files = [ReviewedFile(str(row), "", name, None, rounded(logs[row])) for row, name in enumerate(MALE)]
        fixed = {str(row): name for row, name in enumerate(MALE) if row not in free}
        solved = solve(bundle, ReviewedCell(None, "c", files, []), fixed)
        best = max(
            permutations(places),
            key=lambda names: sum(logs[row, CHROMOSOMES.index(name)] for row, name in zip(free, names, strict=True)),
        )
        assert tuple(solved.karyotype.calls[row].assigned for row in free) == best


def test_blind_shows_nothing_of_the_model(bundle):
    shown = shown_cell(bundle, "c1", moved("c1/06.png", "5"), blind=True)
    assert [one["class"] for one in shown["files"] if one["class"]] == ["5"]
    assert shown["result"] == "45 of 46 without a class"
    assert shown["probability"] is None
    assert not shown["reasons"]
    assert all(one.keys() == {"name", "class", "turned", "fixed"} for one in shown["files"])


def test_too_few_chromosomes_have_no_karyotype(bundle):
    fixed = dict.fromkeys(bundle.cell("c0").names[:30], "none")
    assert solve(bundle, bundle.cell("c0"), fixed).karyotype.karyotype is None
