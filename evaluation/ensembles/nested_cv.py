"""Nested cross-validation of an ensemble's weights: validation images predicted by weights fitted on the others."""

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from common.errors import UserError
from evaluation.core.labelled import LabelledPredictions
from evaluation.ensembles.methods import Combiner
from evaluation.ensembles.objective import Problem


def inner_folds(labelled: LabelledPredictions, folds: int, seed: int) -> np.ndarray:
    """Divide labelled images into folds, no subject in two, each with about the same share of every class.

    Returns:
        The fold of each image, int64, shape (N,).

    Raises:
        UserError: There are fewer subjects than folds, or without one of the folds a class has no image left.
    """
    unit = "images"
    if labelled.by_subject:
        unit = "subjects"
    elif labelled.by_cell:
        unit = "cells"
    if labelled.cluster_count < folds:
        raise UserError(f"--nested {folds}: validation has {labelled.cluster_count} {unit}: name a smaller number")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    fold_of = np.full(len(labelled.labels), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer images than folds; checked below
        try:
            for fold, (_, rows) in enumerate(splitter.split(labelled.labels, labelled.labels, labelled.clusters)):
                fold_of[rows] = fold
        except ValueError as error:
            raise UserError(f"--nested {folds}: {error}: name a smaller number") from error
    classes = set(labelled.labels)
    for fold in range(folds):
        missing = classes - set(labelled.labels[fold_of != fold])
        if missing:
            raise UserError(
                f"--nested {folds}: without one of the folds validation has no {labelled.classes[min(missing)]}, which "
                f"too few {unit} have: name another number, or leave it out"
            )
    return fold_of


def held_out(problem: Problem, fold_of: np.ndarray, fit: Callable[[Problem], Combiner]) -> np.ndarray:
    """Predict each fold by a combiner that was fitted on the other folds.

    Args:
        problem: Labelled validation images.
        fold_of: The fold of each image, shape (N,), see ``inner_folds``.
        fit: Fits a combiner.

    Returns:
        Probabilities, shape (N, K).
    """
    probabilities = np.full(problem.probabilities.shape[1:], np.nan)
    for fold in np.unique(fold_of):
        test = fold_of == fold
        combiner = fit(problem.select(~test))
        probabilities[test] = combiner.combine(problem.probabilities[:, test])
    return probabilities
