"""Drawn members of an ensemble with known labels, as the arrays that weights are fitted on."""

import numpy as np
from scipy.special import softmax

from karyocyte.evaluation.metrics.classification import call
from karyocyte.workflows.ensembles.fitness import Problem


def make_problem(members=4, images=200, classes=2, skill=1.5, seed=0, labels=None, skills=None):
    """Draw a problem: half of the noise is the members' in common; ``skills`` gives each member its own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=images) if labels is None else np.asarray(labels)
    images = len(labels)
    skills = np.full(members, skill) if skills is None else np.asarray(skills)
    noise = rng.normal(size=(len(skills), images, classes)) + rng.normal(size=(images, classes))
    logits = noise + skills[:, None, None] * np.eye(classes)[labels]
    names = tuple(f"class_{number}" for number in range(classes))
    return Problem(softmax(logits, axis=2), labels, 1 if classes == 2 else None, names)


def predicted_by(problem, weights):
    """The classes that the weighted mean predicts, summed member by member."""
    mean = sum(weight * member for weight, member in zip(weights, problem.probabilities, strict=True))
    return call(mean, problem.positive_index)
