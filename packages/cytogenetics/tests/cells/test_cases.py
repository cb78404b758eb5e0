from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytogenetics.cells.cases import (
    CLONE_SHARES,
    Clones,
    _constitutions_of_cells,
    _log_joint,
    case_karyotype,
    share_constitution,
)
from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.cells.posterior import MOSAIC, KaryotypePrior, karyotype_posterior
from cytogenetics.karyotypes.naming import name_karyotype
from karyocyte.common.karyotype import CHROMOSOMES
from packages.cytogenetics.tests.cells.cells import CLASSES, karyotype
from packages.cytogenetics.tests.cells.test_assignment import sure

PRIORS = KaryotypePriors()
NORMAL = karyotype("XX")
DOWN = karyotype("XX", ["21"])
TURNER = karyotype("X")
LOST = karyotype("XX", lost=["8"])


def counted(*cells):
    return [Counter(np.array(CLASSES)[cell].tolist()) for cell in cells]


@pytest.mark.parametrize(
    ("cells", "iscn", "share", "left_out"),
    [
        ([NORMAL], "46,XX", 1, {}),
        ([DOWN], "47,XX,+21", 1, {}),
        ([TURNER, TURNER], "45,X", 1, {}),
        ([DOWN, NORMAL, DOWN, NORMAL, DOWN], "47,XX,+21[3]/46,XX[2]", 0.6, {}),
        ([DOWN, NORMAL, NORMAL], "46,XX", 1, {"+21": 1}),
        ([TURNER, TURNER, NORMAL, NORMAL], "46,XX", 1, {"-X": 2}),
        ([NORMAL, TURNER, TURNER, TURNER, NORMAL, NORMAL, NORMAL], "45,X[3]/46,XX[4]", 4 / 7, {}),
        ([DOWN, DOWN, karyotype("XX", ["21"], ["8"])], "47,XX,+21", 1, {"-8": 1}),
        ([NORMAL, LOST], "46,XX", 1, {"-8": 1}),
        ([NORMAL, NORMAL, NORMAL, karyotype("XX", lost=["8", "8"])], "46,XX", 1, {"-8": 1}),
        ([LOST, LOST, LOST, karyotype("XX", lost=["8", "8"])], "45,XX,-8", 1, {"-8": 1}),
        ([karyotype("XY"), karyotype("XY"), NORMAL], "46,XY", 1, {"+X": 1, "-Y": 1}),
        ([TURNER, karyotype("XY")], "46,XY", 1, {"-Y": 1}),
        ([TURNER, TURNER, TURNER, karyotype("XY")], "45,X[3]/46,XY[1]", 0.75, {}),
        ([karyotype("XXY"), karyotype("XXY"), karyotype("XY")], "47,XXY[2]/46,XY[1]", 2 / 3, {}),
    ],
)
def test_a_case_is_named_by_the_clones_of_its_cells(cells, iscn, share, left_out):
    case = case_karyotype(counted(*cells))
    assert case.iscn == iscn
    assert case.share == pytest.approx(share)
    assert case.left_out == left_out
    assert case.cells == len(cells)


@given(st.lists(st.dictionaries(st.sampled_from(CHROMOSOMES), st.integers(1, 4)), min_size=1, max_size=5))
def test_every_cell_belongs_to_one_clone_and_a_case_of_one_cell_is_that_cell(counts):
    cells = [Counter(each) for each in counts]
    assert case_karyotype(cells).cells == len(cells)
    assert case_karyotype(cells[:1]).iscn == name_karyotype(cells[0]).iscn


def candidates_of(truth, mistaken=()):
    """Candidates of a cell whose chromosomes are sure, but those of ``mistaken`` (row, class), which may be either."""
    logs = sure(truth)
    for row, other in mistaken:
        logs[row, [truth[row], CLASSES.index(other)]] = np.log(0.49)
    candidates, _ = karyotype_posterior(logs, PRIORS)
    return candidates


def test_a_clone_of_few_cells_decides_what_a_doubtful_cell_has_too_many():
    """Of seven cells two show +18; in a third it may be an 18 or a 17."""
    truth = karyotype("XX", ["18"])
    row = int(np.flatnonzero(truth == CLASSES.index("18"))[0])
    doubtful = candidates_of(truth, [(row, "17")])
    cells = [doubtful, *[candidates_of(truth)] * 2, *[candidates_of(NORMAL)] * 4]
    shared = share_constitution(cells, PRIORS)
    assert shared[0][0].karyotype.iscn == "47,XX,+18"
    assert shared[0][0].probability > 0.999 > doubtful[0].probability
    assert [each[0].karyotype.iscn for each in shared[3:]] == ["46,XX"] * 4


def test_probabilities_of_a_case_are_the_sum_over_all_constitutions_and_clones():
    """Against the enumeration of all pairs, shares of cells, and members of the clones."""
    cells = [candidates_of(DOWN), candidates_of(NORMAL), candidates_of(TURNER)]
    clones = Clones.of(PRIORS)
    evidence = np.array([np.logaddexp.reduce(_log_joint(each, PRIORS), axis=0) for each in cells])
    expected = np.zeros_like(evidence)
    for constitution, log_share in enumerate(clones.single):
        expected[:, constitution] += np.exp(log_share + evidence[:, constitution].sum())
    for pair, log_share in zip(clones.pairs, clones.log_shares, strict=True):
        for share in CLONE_SHARES:
            for members in product((0, 1), repeat=len(cells)):
                of_members = evidence[np.arange(3), pair[list(members)]]
                weight = log_share + of_members.sum() + np.log([share, 1 - share])[list(members)].sum()
                weight -= np.log(len(CLONE_SHARES))
                expected[np.arange(3), pair[list(members)]] += np.exp(weight)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(_constitutions_of_cells(evidence, clones), expected, atol=1e-9)


def test_all_cases_together_have_the_probability_one_and_mosaics_their_share():
    clones = Clones.of(PRIORS)
    aneuploid = 1 - np.exp(KaryotypePrior.of(PRIORS, 46).log_shares[-2:]).sum()
    assert np.exp(clones.single).sum() + np.exp(clones.log_shares).sum() == pytest.approx(1)
    assert np.exp(clones.log_shares).sum() == pytest.approx(MOSAIC * aneuploid)
