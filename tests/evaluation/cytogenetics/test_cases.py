from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config.karyotype import KaryotypePriors
from common.karyotype import CHROMOSOMES, name_karyotype
from evaluation.cytogenetics.cases import case_karyotype, share_constitution
from evaluation.cytogenetics.posterior import karyotype_posterior
from tests.evaluation.cytogenetics.cells import CLASSES, karyotype
from tests.evaluation.cytogenetics.test_assignment import QUICK, drawn, kinds, seeds, sexes, sure

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
    assert case.mosaic == ("/" in iscn)


@given(st.lists(st.dictionaries(st.sampled_from(CHROMOSOMES), st.integers(1, 4)), min_size=1, max_size=5))
def test_every_cell_belongs_to_one_clone_and_a_case_of_one_cell_is_that_cell(counts):
    cells = [Counter(each) for each in counts]
    assert case_karyotype(cells).cells == len(cells)
    assert case_karyotype(cells[:1]).iscn == name_karyotype(cells[0]).iscn


def test_a_sure_cell_decides_the_sex_of_another_of_its_case():
    logs = sure(karyotype("XX"))
    second = np.flatnonzero(karyotype("XX") == CLASSES.index("X"))[1]
    logs[second, [CLASSES.index("X"), CLASSES.index("Y")]] = np.log([0.4, 0.6])
    doubtful = karyotype_posterior(logs, PRIORS)
    certain = karyotype_posterior(sure(karyotype("XX")), PRIORS)
    assert doubtful.best.karyotype.iscn == "46,XY"
    shared = share_constitution([doubtful.candidates, certain.candidates], PRIORS)
    assert [candidates[0].karyotype.iscn for candidates in shared] == ["46,XX", "46,XX"]
    assert shared[0][0].probability > 0.99


@given(seeds, sexes, kinds)
@QUICK
def test_a_case_of_one_cell_changes_nothing(seed, sex, lost):
    logs, _ = drawn(karyotype(sex, lost=lost), seed)
    candidates = karyotype_posterior(logs, PRIORS).candidates
    (shared,) = share_constitution([candidates], PRIORS)
    before = {candidate.karyotype.iscn: candidate.probability for candidate in candidates}
    after = {candidate.karyotype.iscn: candidate.probability for candidate in shared}
    assert after == pytest.approx(before, abs=1e-6)


def test_sure_cells_of_a_mosaic_stay_what_they_are():
    cells = [karyotype_posterior(sure(truth), PRIORS).candidates for truth in (DOWN, DOWN, NORMAL, NORMAL)]
    shared = share_constitution(cells, PRIORS)
    assert [each[0].karyotype.iscn for each in shared] == ["47,XX,+21"] * 2 + ["46,XX"] * 2
