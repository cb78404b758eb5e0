from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytogenetics.cells.cases import (
    CLONE_SHARES,
    SETTLED,
    CaseCell,
    Clones,
    case_karyotype,
    case_posterior,
    case_verdict,
)
from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.cells.posterior import MOSAIC, KaryotypePrior, karyotype_posterior
from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from karyocyte.common.karyotype import CHROMOSOMES
from packages.cytogenetics.tests.cells.cells import CLASSES, karyotype
from packages.cytogenetics.tests.cells.test_assignment import sure

PRIORS = KaryotypePriors()
NORMAL = karyotype("XX")
DOWN = karyotype("XX", ["21"])
TURNER = karyotype("X")
LOST = karyotype("XX", lost=["8"])
OFTEN = CellThresholds(distance=0.5, settled=(0.995, 0.99))


def counted(*cells):
    return [Counter(np.array(CLASSES)[cell].tolist()) for cell in cells]


@pytest.mark.parametrize(
    ("cells", "iscn", "needed", "left_out"),
    [
        ([NORMAL], "46,XX", 1, {}),
        ([DOWN], "47,XX,+21", 2, {}),
        ([DOWN, DOWN], "47,XX,+21", 2, {}),
        ([TURNER, TURNER], "45,X", 3, {}),
        ([karyotype("XX", ["21"], ["8"])], "46,XX,-8,+21", 3, {}),
        ([DOWN, NORMAL, DOWN, NORMAL, DOWN], "47,XX,+21[3]/46,XX[2]", 2, {}),
        ([DOWN, NORMAL, NORMAL], "46,XX", 1, {"47,XX,+21": 1}),
        ([TURNER, TURNER, NORMAL, NORMAL], "46,XX", 1, {"45,X": 2}),
        ([NORMAL, TURNER, TURNER, TURNER, NORMAL, NORMAL, NORMAL], "45,X[3]/46,XX[4]", 3, {}),
        ([DOWN, DOWN, karyotype("XX", ["21"], ["8"])], "47,XX,+21", 2, {"46,XX,-8,+21": 1}),
        ([NORMAL, LOST], "46,XX", 1, {"45,XX,-8": 1}),
        ([NORMAL, NORMAL, NORMAL, karyotype("XX", lost=["8", "8"])], "46,XX", 1, {"44,XX,-8,-8": 1}),
        ([LOST, LOST, LOST, karyotype("XX", lost=["8", "8"])], "45,XX,-8", 3, {"44,XX,-8,-8": 1}),
        ([karyotype("XY"), karyotype("XY"), NORMAL], "46,XY", 1, {"46,XX": 1}),
        ([TURNER, karyotype("XY")], "46,XY", 1, {"45,X": 1}),
        ([TURNER, TURNER, TURNER, karyotype("XY")], "45,X[3]/46,XY[1]", 3, {}),
        ([karyotype("XXY"), karyotype("XXY"), karyotype("XY")], "47,XXY[2]/46,XY[1]", 2, {}),
        ([DOWN, DOWN, NORMAL, TURNER], "47,XX,+21[2]/46,XX[1]", 2, {"45,X": 1}),
        ([DOWN, karyotype("XX", ["21"], ["8"]), LOST], "47,XX,+21", 2, {"45,XX,-8": 1, "46,XX,-8,+21": 1}),
        ([LOST, TURNER], "46,XX", 1, {"45,X": 1, "45,XX,-8": 1}),
    ],
)
def test_a_case_is_named_by_the_clones_of_its_cells(cells, iscn, needed, left_out):
    case = case_karyotype(counted(*cells))
    assert (case.iscn, case.needed, case.left_out, case.cells) == (iscn, needed, left_out, len(cells))
    of_cells = f"{iscn} rests on {len(cells)} cell"
    assert (Counter(case.clones) + Counter(case.left_out))["46,XX"] == counted(*cells).count(*counted(NORMAL))
    assert case.weakness.startswith(of_cells) if len(cells) < needed else not case.weakness


@given(st.lists(st.dictionaries(st.sampled_from(CHROMOSOMES), st.integers(1, 4)), min_size=1, max_size=5))
def test_every_cell_belongs_to_one_clone_and_a_case_of_one_cell_is_that_cell(counts):
    cells = [Counter(each) for each in counts]
    assert case_karyotype(cells).cells == len(cells)
    assert case_karyotype(cells[:1]).iscn == name_karyotype(cells[0]).iscn


def cell_of(truth, mistaken=(), name="cell", **facts):
    """A cell whose chromosomes are sure, but those of ``mistaken`` (row, class), which may be either."""
    logs = sure(truth)
    for row, other in mistaken:
        logs[row, [truth[row], CLASSES.index(other)]] = np.log(0.49)
    candidates, _ = karyotype_posterior(logs, PRIORS)
    return CaseCell.of(name, candidates, PRIORS, **facts)


def verdict_of(*cells, thresholds=OFTEN):
    named = [replace(cell, name=name) for cell, name in zip(cells, "abcdefgh", strict=False)]
    return case_verdict(named, PRIORS, thresholds)


def test_a_clone_of_few_cells_decides_what_a_doubtful_cell_has_too_many():
    """Of seven cells two show +18; in a third it may be an 18 or a 17."""
    truth = karyotype("XX", ["18"])
    row = int(np.flatnonzero(truth == CLASSES.index("18"))[0])
    doubtful = cell_of(truth, [(row, "17")])
    cells = [doubtful, *[cell_of(truth)] * 2, *[cell_of(NORMAL)] * 4]
    posterior = case_posterior(np.array([cell.evidence for cell in cells]), Clones.of(PRIORS))
    given = [cell.given(of_cell) for cell, of_cell in zip(cells, posterior.of_cells, strict=True)]
    assert given[0].karyotype.iscn == "47,XX,+18"
    assert given[0].probability > 0.999 > doubtful.candidates[0].probability
    assert [one.karyotype.iscn for one in given[3:]] == ["46,XX"] * 4
    verdict = verdict_of(*cells)
    assert (verdict.named.iscn, verdict.to_do) == ("47,XX,+18[3]/46,XX[4]", "look at b and c")
    assert verdict.alone == 6 + (doubtful.iscn == "47,XX,+18")


def test_probabilities_of_a_case_are_the_sum_over_all_constitutions_and_clones():
    """Against the enumeration of all pairs, shares of cells, and members of the clones."""
    cells = [cell_of(DOWN), cell_of(NORMAL), cell_of(TURNER)]
    clones = Clones.of(PRIORS)
    evidence = np.array([cell.evidence for cell in cells])
    single = np.exp(clones.single + evidence.sum(axis=0))
    mosaics = np.zeros(len(clones.pairs))
    expected = np.tile(single, (3, 1))
    for number, (pair, log_share) in enumerate(zip(clones.pairs, clones.log_shares, strict=True)):
        for share in CLONE_SHARES:
            for members in product((0, 1), repeat=len(cells)):
                of_members = evidence[np.arange(3), pair[list(members)]]
                weight = log_share + of_members.sum() + np.log([share, 1 - share])[list(members)].sum()
                weight -= np.log(len(CLONE_SHARES))
                expected[np.arange(3), pair[list(members)]] += np.exp(weight)
                mosaics[number] += np.exp(weight)
    total = single.sum() + mosaics.sum()
    posterior = case_posterior(evidence, clones)
    np.testing.assert_allclose(posterior.of_cells, expected / total, atol=1e-9)
    np.testing.assert_allclose(posterior.single, single / total, atol=1e-9)
    np.testing.assert_allclose(posterior.mosaics, mosaics / total, atol=1e-9)
    best, second = posterior.most_probable(clones)
    ranked = np.sort([*single, *mosaics])[::-1] / total
    assert [best.probability, second.probability] == pytest.approx(ranked[:2])
    members = posterior.of_each_cell(best.members)
    assert len(set(members)) == 2 - (single.max() > mosaics.max())
    assert best.iscn == "/".join(sorted({clones.names[member] for member in members}, reverse=True))


def test_a_normal_case_is_settled_from_the_threshold_of_its_number_of_cells():
    one, two = verdict_of(cell_of(NORMAL)), verdict_of(cell_of(NORMAL), cell_of(NORMAL))
    assert one.constitution.probability < two.constitution.probability
    for verdict, cells in ((one, 1), (two, 2)):
        assert (verdict.named.iscn, verdict.to_do, verdict.reason) == ("46,XX", SETTLED, None)
        assert verdict.alone == cells
        above = CellThresholds(settled=(*[0.5] * (cells - 1), (1 + verdict.constitution.probability) / 2))
        again = verdict_of(*[cell_of(NORMAL)] * cells, thresholds=above)
        assert again.to_do == "more cells needed (about 1)"
        assert again.reason.endswith(f" is below {above.settled[-1]:g}")  # its precision is that of the limit alone


def test_what_is_abnormal_or_contradicted_or_unlike_is_never_settled():
    for cells, iscn, to_do in (
        ([DOWN, DOWN, DOWN], "47,XX,+21", "look at a and b"),
        ([NORMAL, DOWN, NORMAL], "46,XX", "look at b"),
        ([TURNER, TURNER], "45,X", "look at a and b"),
    ):
        verdict = verdict_of(*map(cell_of, cells))
        assert (verdict.named.iscn, verdict.to_do) == (iscn, to_do)
    lost, down = cell_of(karyotype("XX", ["21"], ["8"])), cell_of(DOWN)
    assert verdict_of(cell_of(NORMAL), lost, down, down).to_do == "look at c and d"  # not that with a loss
    assert "c says 47,XX,+21" in verdict_of(*map(cell_of, (NORMAL, NORMAL, DOWN))).reason
    for distance, settled in ((0.4, True), (0.6, False)):
        cells = [cell_of(NORMAL, distance=distance), cell_of(NORMAL, distance=0.5)]
        assert (verdict_of(*cells).to_do == SETTLED) == settled
    smaller = verdict_of(cell_of(NORMAL), replace(cell_of(NORMAL), unlike="scaled 2 times"))
    assert (smaller.to_do, smaller.reason) == ("look at a and b", "b: scaled 2 times")
    without = verdict_of(cell_of(NORMAL), cell_of(NORMAL), thresholds=CellThresholds())
    assert without.to_do != SETTLED
    assert "settle_from" in without.reason


def test_a_chromosome_that_is_lost_in_one_cell_or_two_is_not_of_the_case():
    for lost in (1, 2):
        verdict = verdict_of(*[cell_of(LOST)] * lost)
        assert (verdict.named.iscn, verdict.named.left_out, verdict.alone) == ("46,XX", {"45,XX,-8": lost}, 0)
    verdict = verdict_of(*[cell_of(LOST)] * 3)
    assert (verdict.named.iscn, verdict.to_do) == ("45,XX,-8", "look at a and b")


def test_all_cases_together_have_the_probability_one_and_mosaics_their_share():
    clones = Clones.of(PRIORS)
    aneuploid = 1 - np.exp(KaryotypePrior.of(PRIORS, 46).log_shares[-2:]).sum()
    assert np.exp(clones.single).sum() + np.exp(clones.log_shares).sum() == pytest.approx(1)
    assert np.exp(clones.log_shares).sum() == pytest.approx(MOSAIC * aneuploid)
