"""Cells are as they were named, and solved anew around what a reader has fixed."""

import re
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from cytogenetics.review.cell_bundle import ReviewedCell, ReviewedFile
from cytogenetics.review.cells import CellReview
from cytogenetics.review.decisions import CellDecisions
from karyocyte.common.karyotype import CHROMOSOMES
from packages.cytogenetics.tests.review.bundles import MALE, decision, log_probabilities, write_cells


@pytest.fixture
def review(tmp_path):
    write_cells(tmp_path)
    return CellReview(tmp_path)


def moved(image, to):
    return CellDecisions([decision("move", cell="c1", image=image, to=to)])


def test_what_is_no_chromosome_is_counted_no_more(review):
    shown = review.shown("c1", moved("c1/45.png", "none"))
    assert shown["result"] == "45,X"
    assert shown["counts"]["Y"] == 0
    assert shown["files"][45]["class"] == "none"


def test_reasons_of_referral_hold_for_what_is_not_fixed(review):
    review.bundle.index = replace(review.bundle.index, thresholds=CellThresholds(0.01, 1.0))
    review.bundle._cells["c1"] = replace(review.bundle.cell("c1"), distance=1.2)
    wrong, distance = review.shown("c1", moved("c1/00.png", MALE[0]))["reasons"]
    assert re.fullmatch(r"about 0\.\d of 46 chromosomes may be wrong", wrong)
    assert distance == "mean distance from the training images 1.2, above 1"
    fixed = CellDecisions([decision("move", cell="c1", image=f"c1/{row:02d}.png", to=MALE[row]) for row in range(46)])
    assert review.shown("c1", fixed)["reasons"] == [distance]


def test_the_reasons_of_the_page_hold_until_the_reader_corrects_what_they_say(review):
    of_page = {"boxes_wrong": 2.5, "probability": 0.4, "reasons": ["2.5 boxes are wrong", "a file"]}
    of_page["reasons_of_files"] = ["a file"]
    review.bundle.index = replace(review.bundle.index, thresholds=CellThresholds(expected_wrong=2.4))
    review.bundle._cells["c1"] = replace(review.bundle.cell("c1"), **of_page)
    shown = review.shown("c1", CellDecisions())
    assert (shown["probability"], shown["reasons"]) == (0.4, of_page["reasons"])
    moved_to = review.shown("c1", moved("c1/08.png", MALE[8]))
    wrong, of_file = moved_to["reasons"]
    assert of_file == "a file"
    assert re.match(r"about .* may be wrong, 2\.5 of them by a wrong or missing box", wrong)
    corrected = review.shown("c1", moved("c1/45.png", "none"))
    assert not [reason for reason in corrected["reasons"] if "may be wrong" in reason]
    assert corrected["doubt"] < 2.5
    assert corrected["probability"] != 0.4
    assert shown["doubt"] == review.queue()[0]["doubt"]
    assert corrected["doubt"] != shown["doubt"]  # the queue is put in order by it


def test_the_best_assignment_is_that_of_brute_force(review):
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
        files = [ReviewedFile(str(row), "", name, logs[row].tolist(), 1.0, False, []) for row, name in enumerate(MALE)]
        fixed = {str(row): name for row, name in enumerate(MALE) if row not in free}
        _, solved = review.solve(ReviewedCell(None, "c", files, [], None, None, []), fixed)
        best = max(
            permutations(places),
            key=lambda names: sum(logs[row, CHROMOSOMES.index(name)] for row, name in zip(free, names, strict=True)),
        )
        assert tuple(solved.calls[row].assigned for row in free) == best
