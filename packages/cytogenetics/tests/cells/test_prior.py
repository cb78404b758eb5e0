"""The prior of counts against its definition: enumeration of losses and gains."""

from math import exp, factorial

import numpy as np
import pytest
from cytogenetics.cells.prior import EXPECTED, KaryotypePrior, KaryotypePriors
from pydantic import ValidationError
from scipy.special import logsumexp

from karyocyte.common.karyotype import CHROMOSOMES
from packages.cytogenetics.tests.cells.cells import karyotype

PRIORS = KaryotypePriors()


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
    for sexes in (2, 3):
        normal = counts_of("X" * sexes)
        share = np.exp(prior.log_shares[(prior.constitutions == normal).all(axis=1)]).sum()
        for kind, (regular, count) in enumerate(zip(normal, counts, strict=True)):
            rate = PRIORS.gain * EXPECTED[kind] / 46
            share *= sum(
                _choose(regular, kept)
                * (1 - PRIORS.loss) ** kept
                * PRIORS.loss ** (regular - kept)
                * exp(-rate)
                * rate ** (count - kept)
                / factorial(count - kept)
                for kept in range(min(regular, count) + 1)
            )
        expected += share
    # Other constitutions have a chromosome more to lose, or an X less to begin with.
    assert np.exp(prior.log_probability(counts)) == pytest.approx(expected, rel=0.02)


def test_of_a_broken_cell_any_chromosome_is_lost_as_often_as_its_others_were():
    broken = KaryotypePrior.of(PRIORS, 34)
    share = (46 - 2 - 34) / 46  # two may be missing of a cell that is whole
    assert (broken.tables == KaryotypePrior.of(PRIORS.model_copy(update={"loss": share}), 46).tables).all()
    for chromosomes in (44, 47):
        assert (KaryotypePrior.of(PRIORS, chromosomes).tables == KaryotypePrior.of(PRIORS, 46).tables).all()


def _choose(regular, kept):
    return factorial(regular) // factorial(kept) // factorial(regular - kept)


def test_moves_are_the_probabilities_of_the_moved_counts():
    prior = KaryotypePrior.of(PRIORS, 46)
    counts = counts_of("XY")
    moved = prior.of_moves(counts)
    for less, more in [(0, 1), (3, 23), (22, 23), (23, 5)]:
        changed = counts.copy()
        changed[less] -= 1
        changed[more] += 1
        assert moved[less, more] == pytest.approx(prior.log_probability(changed))
    assert (counts_of("X")[CHROMOSOMES.index("Y")], prior.of_moves(counts_of("X"))[23, 0]) == (0, -np.inf)


@pytest.mark.parametrize("values", [{"loss": 1.5}, {"referral": 0.5}, {"referral": 400}])
def test_priors_that_cannot_be_are_refused(values):
    with pytest.raises(ValidationError, match="less than|greater than"):
        KaryotypePriors(**values)
