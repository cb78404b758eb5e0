"""What is said of compared pairs."""

import pytest

from evaluation.cytogenetics.pairs import PairFinding, mean_scores, threshold_of


def finding(chromosome="5", score=0.0, **values):
    known = {"p_value": 0.001, "kind": "deletion", "kind_probability": 0.8, "rearranged": 0}
    known |= {"rearranged_probability": 0.9, "place": 0.7, "arm": "q"}
    return PairFinding(chromosome, ("a.png", "b.png"), score, **(known | values))


def test_the_accepted_share_of_normal_cells_has_a_suspect_pair():
    threshold = threshold_of(0.05, 23)
    assert 1 - (1 - threshold) ** 23 == pytest.approx(0.05)
    assert threshold_of(0.05, 1) == pytest.approx(0.05)


def test_the_statement_names_arm_kind_and_probability():
    assert finding(score=0.0).statement == "structurally suspect: 5q, deletion, probability 0.50 (p-value 0.001)"
    assert "probability > 0.99" in finding(score=9.0).statement


def test_scores_of_a_case_are_means_over_the_cells_that_have_the_pair():
    cells = [[finding("1", calibrated=1.0), finding("X", calibrated=-1.0)], [finding("1", calibrated=2.0)], []]
    assert mean_scores(cells) == {"1": 1.5, "X": -1.0}
