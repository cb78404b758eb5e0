"""Karyotypes of cells by their probabilities; the prior of counts against its definition."""

import numpy as np
import pytest
from hypothesis import given
from scipy.special import logsumexp
from scipy.stats import binom, poisson

from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.cells.posterior import (
    EXPECTED,
    KaryotypePrior,
    _assign_to_counts,
    _likelihood,
    _scores_of_moves,
    karyotype_posterior,
)
from packages.cytogenetics.tests.cells.cells import CLASSES, karyotype
from packages.cytogenetics.tests.cells.test_assignment import drawn, kinds, seeds, sexes, sure

PRIORS = KaryotypePriors()


@given(seeds, sexes, kinds)
def test_probabilities_are_distributions_and_candidates_are_sorted(seed, sex, lost):
    logs, _ = drawn(karyotype(sex, lost=lost), seed)
    candidates, marginals = karyotype_posterior(logs, PRIORS)
    probabilities = [candidate.probability for candidate in candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    assert np.sum(probabilities) == pytest.approx(1)
    assert marginals.min() >= 0
    np.testing.assert_allclose(marginals.sum(axis=1), 1)


def test_what_may_be_a_y_is_one_more_often_for_a_network_of_natural_shares():
    """It has learned that a 21 is four times as frequent; one of balanced classes has not."""
    truth = karyotype("XY")
    logs = sure(truth)
    row = np.flatnonzero(truth == CLASSES.index("Y"))[0]
    logs[row, [CLASSES.index("21"), CLASSES.index("Y")]] = np.log([0.99, 0.003])
    odds = []
    for balanced in (False, True):
        candidates, _ = karyotype_posterior(logs, PRIORS, balanced=balanced)
        probabilities = {each.karyotype.iscn: each.probability for each in candidates}
        odds.append(probabilities["46,XY"] / probabilities["46,X,+21"])
    assert odds[0] / odds[1] == pytest.approx(4)


def test_two_chromosomes_that_could_be_exchanged_are_both_in_doubt():
    truth = karyotype("XY")
    four, five = (int(np.flatnonzero(truth == CLASSES.index(name))[0]) for name in ("4", "5"))
    logs = sure(truth, wrong=1e-6)
    logs[four, CLASSES.index("5")] = logs[five, CLASSES.index("4")] = np.log(0.5)
    (best, *_), marginals = karyotype_posterior(logs, PRIORS)
    assert best.karyotype.iscn == "46,XY"
    for row, other in ((four, "5"), (five, "4")):
        assert marginals[row, best.classes[row]] == pytest.approx(0.8, abs=0.01)
        assert marginals[row, CLASSES.index(other)] == pytest.approx(0.2, abs=0.01)
    others = np.setdiff1d(np.arange(len(truth)), [four, five])
    assert marginals[others, truth[others]].min() > 0.99


def test_the_scores_of_moves_are_those_of_the_best_assignments_to_the_changed_counts():
    logs, _ = drawn(karyotype("XY"), 4)
    prior = KaryotypePrior.of(PRIORS, len(logs))
    counts = np.bincount(logs.argmax(axis=1), minlength=24)
    moved = _scores_of_moves(logs, _assign_to_counts(logs, counts), counts, prior)
    less, more = np.argwhere(moved > moved.max() - 20).T
    assert len(less) > 10
    for one, other in zip(less, more, strict=True):
        changed = counts.copy()
        changed[one] -= 1
        changed[other] += 1
        best = _likelihood(logs, _assign_to_counts(logs, changed), changed)
        assert moved[one, other] == pytest.approx(best + prior.log_probability(changed))


def test_of_a_cell_about_which_nothing_is_sure_forty_karyotypes_are_considered():
    logs = np.log(np.random.default_rng(0).dirichlet(np.full(24, 5.0), 45))
    candidates, _ = karyotype_posterior(logs, PRIORS)
    assert len(candidates) == 40


def counts_of(*how):
    return np.bincount(karyotype(*how), minlength=24)


def test_counts_and_constitutions_sum_to_one_and_have_the_configured_shares():
    for chromosomes in (46, 30):
        tables = KaryotypePrior.of(PRIORS, chromosomes, most=12).tables
        np.testing.assert_allclose(np.exp(logsumexp(tables, axis=2)), 1, atol=1e-12)
    prior = KaryotypePrior.of(PRIORS, 46)
    assert np.exp(prior.log_shares).sum() == pytest.approx(1)

    def share(counts):
        return np.exp(prior.log_shares[(prior.constitutions == counts).all(axis=1)]).sum()

    assert share(counts_of("XX", ["21"])) == pytest.approx(0.5 * 5 * 1.2e-3)
    assert share(counts_of("XY", ["4"])) == pytest.approx(0.5 * 5 * 1.5e-6)
    assert share(counts_of("XXY")) == pytest.approx(0.5 * 5 * 1.03e-3)
    assert share(counts_of("XX")) > 0.49
    assert EXPECTED.tolist() == ((counts_of("XX") + counts_of("XY")) / 2).tolist()


def test_a_lost_chromosome_and_one_gained_have_binomial_and_poisson_probabilities():
    """46,XX less a 3 and with a fourth X, of the constitution 46,XX and of 47,XXX."""
    prior = KaryotypePrior.of(PRIORS, 46)
    counts = counts_of("XXXX", (), ["3"])
    expected = 0.0
    for copies in (2, 3):
        normal = counts_of("X" * copies)
        share = np.exp(prior.log_shares[(prior.constitutions == normal).all(axis=1)]).sum()
        for kind, (regular, count) in enumerate(zip(normal, counts, strict=True)):
            rate = PRIORS.gain * EXPECTED[kind] / 46
            kept = np.arange(min(regular, count) + 1)
            share *= binom.pmf(kept, regular, 1 - PRIORS.loss) @ poisson.pmf(count - kept, rate)
        expected += share
    # Other constitutions have a chromosome more to lose, or an X less to begin with.
    assert np.exp(prior.log_probability(counts)) == pytest.approx(expected, rel=0.02)


def test_of_a_broken_cell_any_chromosome_is_lost_as_often_as_its_others_were():
    broken = KaryotypePrior.of(PRIORS, 34)
    share = (46 - 2 - 34) / 46  # two may be missing of a cell that is whole
    assert (broken.tables == KaryotypePrior.of(PRIORS.model_copy(update={"loss": share}), 46).tables).all()
    for chromosomes in (44, 47):
        assert (KaryotypePrior.of(PRIORS, chromosomes).tables == KaryotypePrior.of(PRIORS, 46).tables).all()
