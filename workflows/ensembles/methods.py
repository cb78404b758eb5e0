"""The methods that make one model of several, fitted on validation images."""

from typing import Any

import numpy as np

from common.errors import UserError
from evaluation.averaging import Combiner
from workflows.ensembles.config import GeneticConfig
from workflows.ensembles.fitness import Problem
from workflows.ensembles.genetic import fit_genetic

AVERAGE = "average"
METHODS = (AVERAGE, "best", "genetic")


def fit(method: str, problem: Problem, config: GeneticConfig, seed: int) -> Combiner:
    """Fit a combiner on the images of ``problem``; the same seed gives the same one.

    ``average`` weighs all alike, ``best`` takes the member of highest weighted F1 alone (the first of equals),
    ``genetic`` searches as ``config`` says.

    Raises:
        UserError: The method is unknown.
    """
    facts: dict[str, Any] = {"images": len(problem.labels), "seed": seed}
    each_alone = np.eye(problem.members)
    if method == AVERAGE:
        weights = each_alone.mean(axis=0)
    elif method == "best":
        weights = each_alone[int(problem.fitness(each_alone).argmax())]
    elif method == "genetic":
        facts["settings"] = config.model_dump(mode="json")
        weights, score, evaluations = fit_genetic(problem, config, seed)
        facts |= {"score": score, "evaluations": evaluations}
    else:
        raise UserError(f"there is no ensemble method {method}: choose one of {', '.join(METHODS)}")
    return Combiner(method, weights, {"fitness": float(problem.fitness(weights[None])[0]), **facts})
