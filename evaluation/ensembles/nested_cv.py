"""What a fitted ensemble is worth on validation images that it was not fitted on."""

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from common.errors import UserError
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.ensembles.averaging import stacked
from evaluation.ensembles.methods import Combiner
from evaluation.ensembles.objective import Problem


def problem_of(aligned: list[Predictions]) -> Problem:
    """Return the labelled validation images of an ensemble's members, see ``ensembles.align``.

    Raises:
        UserError: There is none, or all are of one class.
    """
    scored = score(aligned[0].part("validation"))
    there = [name for name, images in scored.count_images().items() if images]
    if not there:
        raise UserError(
            "the members have no labelled validation image in common, on which weights could be fitted: only `average` "
            "needs none"
        )
    if len(there) == 1:
        raise UserError(
            f"all {len(scored.labels)} validation images are {there[0]}: no weights can be fitted on one class, only "
            "`average` needs none"
        )
    known = [member.part("validation") for member in aligned]
    probabilities = stacked(known)[:, known[0].labels >= 0]
    if scored.by_subject or scored.by_cell:
        clusters = scored.clusters
    else:
        clusters = None
    return Problem(probabilities, scored.labels, scored.positive_index, scored.classes, clusters)


def inner_folds(scored: LabelledPredictions, folds: int, seed: int) -> np.ndarray:
    """Divide labelled images into folds, no subject in two, each with about the same share of every class.

    Returns:
        The fold of each image, int64, shape (N,).

    Raises:
        UserError: There are fewer subjects than folds, or without one of the folds a class has no image left.
    """
    if scored.by_subject:
        whose = "subjects"
    elif scored.by_cell:
        whose = "cells"
    else:
        whose = "images"
    if scored.cluster_count < folds:
        raise UserError(f"--nested {folds}: validation has {scored.cluster_count} {whose}: name a smaller number")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    found = np.full(len(scored.labels), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer images than folds; checked below
        try:
            for fold, (_, rows) in enumerate(splitter.split(scored.labels, scored.labels, scored.clusters)):
                found[rows] = fold
        except ValueError as error:
            raise UserError(f"--nested {folds}: {error}: name a smaller number") from error
    every = set(scored.labels)
    for fold in range(folds):
        lost = every - set(scored.labels[found != fold])
        if lost:
            raise UserError(
                f"--nested {folds}: without one of the folds validation has no {scored.classes[min(lost)]}, since so "
                f"few {whose} have it: name another number, or leave it out"
            )
    return found


def held_out(problem: Problem, fold_of: np.ndarray, fit: Callable[[Problem], Combiner]) -> np.ndarray:
    """Let combiners that were fitted on the other folds predict each fold.

    Args:
        problem: Labelled validation images.
        fold_of: Of each image, shape (N,), see ``inner_folds``.
        fit: Fits a combiner.

    Returns:
        Probabilities, shape (N, K).
    """
    found = np.full(problem.probabilities.shape[1:], np.nan)
    for fold in np.unique(fold_of):
        left_out = fold_of == fold
        found[left_out] = fit(part_of(problem, ~left_out)).combine(problem.probabilities[:, left_out])
    return found


def part_of(problem: Problem, rows: np.ndarray) -> Problem:
    """Return some of the images (bool, shape (N,)) as a problem of their own."""
    if problem.clusters is None:
        clusters = None
    else:
        clusters = problem.clusters[rows]
    return Problem(
        problem.probabilities[:, rows], problem.labels[rows], problem.positive_index, problem.classes, clusters
    )
