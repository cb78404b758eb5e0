"""Pairs in cells, cells in cases."""

import numpy as np
import pandas as pd

from evaluation.homologues import levels
from evaluation.homologues.levels import Units

NO_PARTNER = {"partner": np.nan, "partner_calibrated": np.nan}


def items(rows):
    names = ["fold", "cluster", "cell", "chromosome", "kind", "calibrated", "size", "arm_change"]
    return pd.DataFrame(rows, columns=names)


NORMAL = items(
    [
        (0, 7, 1, 0, "untouched", 0.0, 0, 0),
        (0, 7, 1, 1, "untouched", 1.0, 0, 0),
        (0, 7, 2, 0, "untouched", 2.0, 0, 0),
        (0, 7, 2, 1, "untouched", -1.0, 0, 0),
        (0, 8, 3, 0, "untouched", 0.5, 0, 0),
    ]
)


def test_the_score_of_a_cell_is_that_of_its_most_abnormal_pair():
    cells = levels.cells_of(NORMAL)
    np.testing.assert_array_equal(cells.scored().score, [1.0, 2.0, 0.5])
    np.testing.assert_array_equal(cells.suspect(), [1, 0, 0])
    np.testing.assert_array_equal(cells.cluster, [7, 7, 8])


def test_an_abnormal_pair_takes_the_place_of_the_normal_one():
    cells = levels.cells_of(NORMAL)
    changed = items([(0, 7, 1, 1, "deletion", -5.0, 0.1, 0), (0, 7, 2, 1, "deletion", 9.0, 0.1, 0)])
    scored = cells.replaced(levels.changed_in(cells, changed.assign(**NO_PARTNER)))
    np.testing.assert_array_equal(scored.score, [0.0, 9.0])


def test_the_score_of_a_case_is_the_highest_mean_of_a_chromosome():
    cases = levels.cases_of(levels.cells_of(NORMAL))
    np.testing.assert_array_equal(cases.scored().score, [1.0, 0.5])
    np.testing.assert_array_equal(cases.number, [7, 8])


def test_an_abnormal_case_is_abnormal_in_every_cell():
    cells = levels.cells_of(NORMAL)
    cases = levels.cases_of(cells)
    changed = items(
        [
            (0, 7, 1, 0, "deletion", 4.0, 0.1, 0),
            (0, 7, 2, 0, "deletion", 6.0, 0.3, 0),
            (0, 7, 2, 1, "deletion", 6.0, 0.3, 0),  # the other cell of the case lacks it
        ]
    )
    found = levels.changed_cases(cases, cells, changed.assign(**NO_PARTNER))
    assert found[["chromosome", "calibrated", "size", "unit"]].to_numpy().tolist() == [[0, 5.0, 0.2, 0]]
    np.testing.assert_array_equal(cases.replaced(found).score, [5.0])


def test_cases_of_so_many_cells():
    cells = Units(np.zeros((6, 24)), np.zeros(6, int), np.array([0, 1, 1, 2, 2, 2]), np.arange(6))
    for count, at_least, numbers in [(1, False, [0, 1, 3]), (2, False, [1, 2, 3, 4]), (3, True, [3, 4, 5])]:
        np.testing.assert_array_equal(levels.cells_of_cases(cells, count, at_least).number, numbers)
    assert len(levels.cells_of_cases(cells, 4, True).number) == 0


def test_of_a_clone_the_other_cells_keep_their_untouched_pairs():
    cells = levels.cells_of(NORMAL)
    cases = levels.cases_of(cells)
    changed = items([(0, 7, cell, 0, "translocation", 4.0, 0.1, 0) for cell in (1, 2)])
    changed = changed.assign(partner=1.0, partner_calibrated=8.0)
    found = levels.changed_cases(cases, cells, levels.in_clone(cells, changed, 0.5))
    assert found["calibrated"].tolist() == [(4.0 + 2.0) / 2]
    assert found["partner_calibrated"].tolist() == [(8.0 - 1.0) / 2]
    everywhere = levels.changed_cases(cases, cells, levels.in_clone(cells, changed, 1.0))
    assert everywhere["calibrated"].tolist() == [4.0]
    assert levels.in_clone(cells, changed.assign(**NO_PARTNER), 0.01)["calibrated"].tolist() == [4.0, 2.0]


def test_pairs_are_averaged_over_the_cells_of_a_case():
    cells = levels.cells_of(NORMAL)
    cases = levels.cases_of(cells)
    pairs = cases.pairs()
    assert pairs.score.tolist() == [1.0, 0.0, 0.5]
    assert pairs.group.tolist() == [0, 1, 0]
    assert pairs.cluster.tolist() == [7, 7, 8]
    changed = items([(0, 7, cell, 1, "deletion", score, 0.1, 0) for cell, score in ((1, 3.0), (2, 5.0))])
    found = levels.changed_cases(cases, cells, changed.assign(**NO_PARTNER))
    scored = cases.changed_pairs(found)
    assert (scored.score.tolist(), scored.group.tolist(), scored.cluster.tolist()) == ([4.0], [1], [7])
