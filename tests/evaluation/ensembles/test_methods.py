"""Every method of an ensemble behind one door."""

import json

import numpy as np
import pytest

from common.config.ensemble import EnsembleConfig
from common.errors import UserError
from evaluation.ensembles.methods import METHODS, Combiner, fit
from tests.evaluation.ensembles.problems import make_problem

QUICK = EnsembleConfig(
    genetic={"generations": 5, "restarts": 2},
    cma={"evaluations": 400},
    differential={"evaluations": 400},
    stacking={"strengths": [0.1, 1.0]},
)
SKILLS = [0.5, 1.5, 2.0]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("method", METHODS)
def test_a_combiner_goes_through_json(method, classes):
    problem = make_problem(skills=SKILLS, classes=classes)
    combiner = fit(method, problem, QUICK, seed=3)
    read = Combiner.from_dict(json.loads(json.dumps(combiner.as_dict(), allow_nan=False)))
    found = combiner.combine(problem.probabilities)
    assert (read.combine(problem.probabilities) == found).all()
    assert (read.method, read.members, read.facts) == (method, 3, combiner.facts)
    assert found.shape == (200, classes)
    assert found.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("method", METHODS)
def test_the_fitness_is_that_of_what_it_combines(method):
    problem = make_problem(skills=SKILLS)
    combiner = fit(method, problem, QUICK, seed=3)
    alone = make_problem(1)
    alone = type(alone)(combiner.combine(problem.probabilities)[None], problem.labels, 1, problem.classes)
    assert combiner.facts["fitness"] == pytest.approx(alone.fitness(np.ones((1, 1)))[0])
    assert (combiner.facts["seed"], combiner.facts["images"]) == (3, 200)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "stacking"])
def test_weights_weigh(method):
    problem = make_problem(skills=SKILLS, classes=3)
    weights = fit(method, problem, QUICK, seed=0).weights
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    expected = sum(weight * member for weight, member in zip(weights, problem.probabilities, strict=True))
    assert Combiner(method, weights).combine(problem.probabilities) == pytest.approx(expected)


def test_average_weighs_all_alike_and_best_takes_the_best_alone():
    problem = make_problem(skills=[0.5, 3.0, 1.0])
    assert fit("average", problem, QUICK, 0).weights == pytest.approx([1 / 3] * 3)
    assert fit("best", problem, QUICK, 0).weights.tolist() == [0, 1, 0]


@pytest.mark.parametrize("method", ["genetic", "cma", "differential"])
def test_searches_are_fitter_than_the_best_and_the_average(method):
    problem = make_problem(skills=[0.5, 1.5, 2.0, 1.0])
    found = fit(method, problem, QUICK, 0)
    for simple in ("average", "best"):
        assert found.facts["fitness"] > fit(simple, problem, QUICK, 0).facts["fitness"]
    assert found.facts["settings"]["objective" if method != "genetic" else "population"] is not None
    assert found.facts["evaluations"] > 300


@pytest.mark.parametrize("method", METHODS)
def test_one_member_alone_is_combined_too(method):
    problem = make_problem(1)
    combiner = fit(method, problem, QUICK, 0)
    called = combiner.combine(problem.probabilities).argmax(axis=1)
    assert combiner.members == 1
    if method != "stacking":
        assert (called == problem.probabilities[0].argmax(axis=1)).all()


@pytest.mark.parametrize("method", ["average", "stacking"])
def test_other_members_or_classes_are_refused(method):
    combiner = fit(method, make_problem(3, classes=3), QUICK, 0)
    with pytest.raises(UserError, match="3 members, not for 2"):
        combiner.combine(make_problem(2, classes=3).probabilities)
    if method == "stacking":
        with pytest.raises(UserError, match="3 classes, not for 4"):
            combiner.combine(make_problem(3, classes=4).probabilities)


def test_an_unknown_method_is_refused():
    with pytest.raises(UserError, match="no ensemble method median: choose one of average, best"):
        fit("median", make_problem(), QUICK, 0)
