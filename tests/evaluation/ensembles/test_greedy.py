"""Greedy selection takes what a search through all ensembles takes."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from sklearn.metrics import f1_score

from common.config.ensemble import GreedyConfig
from evaluation.ensembles.greedy import fit_greedy, select
from tests.evaluation.ensembles.problems import make_problem, permuted, predicted_by


def counted(picks, members):
    return np.bincount(picks, minlength=members) / len(picks)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_exhaustive_search_where_members_are_two(seed):
    # Of a concave objective on a line, taking one more at a time passes the best of every size.
    problem = make_problem(2, skills=[1.0, 1.6], seed=seed)
    found = fit_greedy(problem, GreedyConfig(rounds=6, objective="nll"), 0)
    ensembles = [counted(picks, 2) for size in range(1, 7) for picks in combinations_with_replacement(range(2), size)]
    assert found.score == pytest.approx(problem.score(np.array(ensembles), "nll").max())


@pytest.mark.parametrize("seed", range(4))
def test_each_step_is_the_best_of_all(seed):
    problem, picks, best = make_problem(4, images=80, seed=seed), [], None
    for _ in range(8):
        tried = [counted([*picks, member], 4) for member in range(4)]
        scores = [f1_score(problem.labels, predicted_by(problem, one), average="weighted") for one in tried]
        picks.append(int(np.argmax(scores)))
        if best is None or max(scores) > best[0] + 1e-12:
            best = max(scores), counted(picks, 4)
    found = fit_greedy(problem, GreedyConfig(rounds=8), 0)
    assert found.score == pytest.approx(best[0])
    assert found.weights == pytest.approx(best[1])


def test_one_round_takes_the_best_member():
    problem = make_problem(skills=[0.5, 3.0, 1.0])
    assert fit_greedy(problem, GreedyConfig(rounds=1), 0).weights.tolist() == [0, 1, 0]


def test_a_start_takes_the_best_members_at_once():
    problem = make_problem(skills=[0.5, 3.0, 1.0, 2.5])
    assert fit_greedy(problem, GreedyConfig(rounds=2, start=2), 0).weights.tolist() == [0, 0.5, 0, 0.5]
    everyone = fit_greedy(problem, GreedyConfig(rounds=50, start=50), 0)
    assert everyone.score >= problem.fitness(np.full((1, 4), 0.25))[0]


def test_a_member_that_harms_is_not_taken():
    problem = make_problem(skills=[2.0, -3.0, 2.0], images=400)
    assert fit_greedy(problem, GreedyConfig(), 0).weights[1] == 0


def test_the_order_of_members_does_not_matter():
    problem, order = make_problem(skills=[0.5, 1.0, 1.5, 2.0]), np.array([3, 1, 0, 2])
    config = GreedyConfig(objective="nll", rounds=20)
    found, moved = (fit_greedy(one, config, 0) for one in (problem, permuted(problem, order)))
    assert moved.weights == pytest.approx(found.weights[order])


def test_bags_are_averaged():
    problem, config = make_problem(6), GreedyConfig(bags=4, bag_share=0.5, rounds=5)
    rng = np.random.default_rng(3)
    bags = [np.sort(rng.choice(6, 3, replace=False)) for _ in range(4)]
    selections = [select(problem, bag, config) for bag in bags]
    for bag, selection in zip(bags, selections, strict=True):
        assert set(np.flatnonzero(selection.weights)) <= set(bag)
    found = fit_greedy(problem, config, 3)
    assert found.weights == pytest.approx(np.mean([selection.weights for selection in selections], axis=0))
    assert found.weights.sum() == pytest.approx(1)
    assert found.score == pytest.approx(problem.fitness(found.weights[None])[0])
    assert fit_greedy(problem, config, 3).weights.tolist() == found.weights.tolist()


def test_evaluations_are_counted(monkeypatch):
    problem, seen = make_problem(3), []
    monkeypatch.setattr(
        type(problem), "score", lambda self, weights, _: seen.append(len(weights)) or weights @ [1, 2, 3]
    )
    found = fit_greedy(problem, GreedyConfig(rounds=4, bags=2, bag_share=0.7), 0)
    assert found.evaluations == sum(seen)
