"""The methods that make one model of several: average, the best member, weights by the genetic algorithm."""

from typing import Any

import numpy as np

from karyocyte.evaluation.pooling.averaging import Combiner
from karyocyte.workflows.ensembles.ensemble_request import GeneticConfig
from karyocyte.workflows.ensembles.fitness import Problem
from karyocyte.workflows.ensembles.genetic import fit_genetic

AVERAGE = "average"


def average_of(members: int) -> Combiner:
    """Return the combiner that weighs all members alike."""
    return Combiner(AVERAGE, np.full(members, 1 / members))


def fit(method: str, problem: Problem, config: GeneticConfig, seed: int) -> Combiner:
    """Fit a combiner on the images of ``problem``; the same seed gives the same one.

    ``best`` takes the member of highest weighted F1 alone (the first of equals), ``genetic`` searches as ``config``
    says.
    """
    facts: dict[str, Any] = {"images": len(problem.labels), "seed": seed}
    if method == "best":
        each_alone = np.eye(problem.members)
        weights = each_alone[int(problem.fitness(each_alone).argmax())]
    else:
        facts["settings"] = config.model_dump(mode="json")
        weights, score, evaluations = fit_genetic(problem, config, seed)
        facts |= {"score": score, "evaluations": evaluations}
    return Combiner(method, weights, {"fitness": float(problem.fitness(weights[None])[0]), **facts})
