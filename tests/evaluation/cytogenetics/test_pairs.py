"""How unusual a score is among normal pairs."""

import numpy as np
import pandas as pd
import pytest

from evaluation.cytogenetics.pairs import NormalScores, PairFinding, mean_scores, threshold_of


def finding(chromosome="5", score=0.0, **values):
    known = {"p_value": 0.001, "suspect": True, "kind": "deletion", "kind_probability": 0.8, "rearranged": 0}
    known |= {"rearranged_probability": 0.9, "place": 0.7, "arm": "q"}
    return PairFinding(chromosome, ("a.png", "b.png"), score, **(known | values))


def table(**scores):
    rows = [(name.removeprefix("c"), score) for name, values in scores.items() for score in values]
    return pd.DataFrame(rows, columns=["chromosome", "score"])


def test_a_chromosome_with_enough_scores_is_compared_with_its_own():
    normal = NormalScores.of(table(c1=np.arange(9.0), c2=[100.0] * 9), own=9)
    assert normal.p_value("1", 8.5) == pytest.approx(1 / 10)
    assert normal.p_value("1", 8.0) == pytest.approx(2 / 10)  # an equal score is at least as high
    assert normal.p_value("1", -1.0) == 1.0


def test_a_chromosome_with_few_scores_is_compared_with_all_in_its_own_standard_deviations():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0, 1, 60), rng.normal(10, 3, 60)
    normal = NormalScores.of(table(c1=low, c9=high), own=61)
    assert normal.least == pytest.approx(1 / 121)
    assert normal.p_value("9", 12.0) > 0.1  # usual for 9
    assert normal.p_value("1", 12.0) == normal.least
    same = [normal.p_value("1", low.mean() + 1.5 * low.std()), normal.p_value("9", high.mean() + 1.5 * high.std())]
    assert same[0] == same[1]


def test_p_values_of_normal_pairs_are_uniform():
    rng = np.random.default_rng(1)
    normal = NormalScores.of(table(c1=rng.normal(0, 1, 500), c2=rng.normal(3, 2, 500)), own=600)
    values = np.array([normal.p_value("2", score) for score in rng.normal(3, 2, 1000)])
    assert np.mean(values < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(values < 0.5) == pytest.approx(0.5, abs=0.06)


def test_a_chromosome_without_normal_pairs_is_compared_with_all():
    normal = NormalScores.of(table(c1=[0.0, 1.0, 2.0]), own=50)
    assert normal.p_value("Y", 1.5) == pytest.approx(2 / 4)


def test_the_accepted_share_of_normal_cells_has_a_suspect_pair():
    threshold = threshold_of(0.05, 23)
    assert 1 - (1 - threshold) ** 23 == pytest.approx(0.05)
    assert threshold_of(0.05, 1) == pytest.approx(0.05)


def test_the_statement_names_arm_kind_and_probability():
    assert finding(score=0.0).statement == "structurally suspect: 5q, deletion, probability 0.50 (p-value 0.001)"
    assert "probability > 0.99" in finding(score=9.0).statement


def test_scores_of_a_case_are_means_over_the_cells_that_have_the_pair():
    cells = [[finding("1", 1.0), finding("X", -1.0)], [finding("1", 2.0)], []]
    assert mean_scores(cells) == {"1": 1.5, "X": -1.0}
