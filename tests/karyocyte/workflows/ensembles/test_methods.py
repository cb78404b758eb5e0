"""What each method of an ensemble makes of a problem."""

import json
from dataclasses import replace

import numpy as np
import pytest

from karyocyte.evaluation.pooling.averaging import Combiner
from karyocyte.workflows.ensembles.ensemble_request import GeneticConfig
from karyocyte.workflows.ensembles.methods import average_of, fit
from tests.karyocyte.workflows.ensembles.problems import make_problem

QUICK = GeneticConfig(generations=5, restarts=2)
SKILLS = [0.5, 1.5, 2.0]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("method", ["best", "genetic"])
def test_fitted_combiners(method, classes):
    problem = make_problem(skills=SKILLS, classes=classes)
    combiner = fit(method, problem, QUICK, seed=3)
    combined = combiner.combine(problem.probabilities)
    assert combiner.weights.min() >= 0
    assert combiner.weights.sum() == pytest.approx(1)
    assert combined == pytest.approx(np.einsum("m,mnk->nk", combiner.weights, problem.probabilities))
    fitness = replace(problem, probabilities=combined[None]).fitness(np.ones((1, 1)))[0]
    assert combiner.facts["fitness"] == pytest.approx(fitness)
    assert (combiner.facts["seed"], combiner.facts["images"]) == (3, 200)
    read = Combiner.from_dict(json.loads(json.dumps(combiner.as_dict(), allow_nan=False)))
    assert (read.combine(problem.probabilities) == combined).all()
    assert (read.method, read.parameters, read.facts) == (method, combiner.parameters, combiner.facts)


def test_average_weighs_all_alike_and_best_takes_the_best_only():
    problem = make_problem(skills=[0.5, 3.0, 1.0])
    assert average_of(3).weights == pytest.approx([1 / 3] * 3)
    assert fit("best", problem, QUICK, 0).weights.tolist() == [0, 1, 0]


def test_the_search_is_fitter_than_the_best_and_the_average():
    problem = make_problem(skills=[0.5, 1.5, 2.0, 1.0])
    facts = fit("genetic", problem, QUICK, 0).facts
    assert facts["fitness"] > problem.fitness(average_of(4).weights[None])[0]
    assert facts["fitness"] > fit("best", problem, QUICK, 0).facts["fitness"]
    assert facts["settings"] == QUICK.model_dump(mode="json")
    assert facts["evaluations"] > 300
