import numpy as np
import pytest
from cytogenetics.cells.posterior import _assign_to_counts, _likelihood, _scores_of_moves, karyotype_posterior
from cytogenetics.cells.prior import KaryotypePrior, KaryotypePriors
from hypothesis import given

from packages.cytogenetics.tests.cells.cells import CLASSES, karyotype
from packages.cytogenetics.tests.cells.test_assignment import drawn, kinds, seeds, sexes, sure

PRIORS = KaryotypePriors()


@given(seeds, sexes, kinds)
def test_probabilities_are_distributions_and_candidates_are_sorted(seed, sex, lost):
    logs, _ = drawn(karyotype(sex, lost=lost), seed)
    posterior = karyotype_posterior(logs, PRIORS)
    probabilities = [candidate.probability for candidate in posterior.candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    assert np.sum(probabilities) == pytest.approx(1)
    assert posterior.marginals.min() >= 0
    np.testing.assert_allclose(posterior.marginals.sum(axis=1), 1)


def test_what_may_be_a_y_is_one_more_often_for_a_network_of_natural_shares():
    """It has learned that a 21 is four times as frequent; one of balanced classes has not."""
    truth = karyotype("XY")
    logs = sure(truth)
    row = np.flatnonzero(truth == CLASSES.index("Y"))[0]
    logs[row, [CLASSES.index("21"), CLASSES.index("Y")]] = np.log([0.99, 0.003])
    odds = []
    for balanced in (False, True):
        candidates = karyotype_posterior(logs, PRIORS, balanced=balanced).candidates
        probabilities = {each.karyotype.iscn: each.probability for each in candidates}
        odds.append(probabilities["46,XY"] / probabilities["46,X,+21"])
    assert odds[0] / odds[1] == pytest.approx(4)


def test_two_chromosomes_that_could_be_exchanged_are_both_in_doubt():
    truth = karyotype("XY")
    four, five = (int(np.flatnonzero(truth == CLASSES.index(name))[0]) for name in ("4", "5"))
    logs = sure(truth, wrong=1e-6)
    logs[four, CLASSES.index("5")] = logs[five, CLASSES.index("4")] = np.log(0.5)
    posterior = karyotype_posterior(logs, PRIORS)
    assert posterior.best.karyotype.iscn == "46,XY"
    for row, other in ((four, "5"), (five, "4")):
        assert posterior.marginals[row, posterior.best.classes[row]] == pytest.approx(0.8, abs=0.01)
        assert posterior.marginals[row, CLASSES.index(other)] == pytest.approx(0.2, abs=0.01)
    others = np.setdiff1d(np.arange(len(truth)), [four, five])
    assert posterior.marginals[others, truth[others]].min() > 0.99


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
    assert len(karyotype_posterior(logs, PRIORS).candidates) == 40
