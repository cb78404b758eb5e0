"""The input of an evaluation, made once: labelled images of every fold, thresholds, and all test images pooled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
from pydantic import ValidationError

from karyocyte.common.errors import UserError, first_fault
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.metrics.labelled import LabelledPart, LabelledPredictions, labelled_part, score
from karyocyte.evaluation.metrics.thresholds import choose_threshold
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.types.result import OperatingPoint
from karyocyte.runs.predictions import Predictions


@dataclass(frozen=True)
class LabelledFold:
    """The labelled images of one run: its validation and its test images, and training images where predicted.

    ``threshold`` is the operating point that the validation images choose.
    """

    run: Predictions
    settings: EvaluationConfig
    validation: LabelledPart
    test: LabelledPart
    train: LabelledPredictions | None
    threshold: OperatingPoint

    @classmethod
    def from_run(cls, run: Predictions, settings: EvaluationConfig, train: Predictions | None = None) -> "LabelledFold":
        """Take the labelled rows of a run, and of its predictions of training images."""
        validation = labelled_part(run.part("validation"))
        threshold = choose_threshold(validation.scored, settings)
        trained = None if train is None else score(train)
        return cls(run, settings, validation, labelled_part(run.part("test")), trained, threshold)

    def threshold_for(self, sensitivity: float) -> OperatingPoint:
        """Return the highest threshold that keeps a sensitivity (0 to 1) on the validation images."""
        settings = self.settings.model_copy(update={"threshold": "sensitivity", "sensitivity": sensitivity})
        return choose_threshold(self.validation.scored, settings)


@dataclass(frozen=True)
class LabelledRuns:
    """One run, or the folds of one experiment, as every part of an evaluation reads them."""

    folds: tuple[LabelledFold, ...]  # at least one
    pooled: Predictions  # the test rows of all folds, fold after fold; ``test`` the labelled ones of them
    test: LabelledPredictions
    train: LabelledPredictions | None  # the labelled training images of all folds, pooled; None where a fold has none
    settings: EvaluationConfig
    # the predictions of each fold; ``tests`` their labelled test images, ``sizes`` their numbers
    runs: list[Predictions]
    tests: list[LabelledPart]
    sizes: list[int]
    thresholds: list[float | None]  # the threshold of each fold; None where it has none
    about: dict[str, Any]  # facts of the run, or of all folds (lists where they differ)
    classes: tuple[str, ...]
    positive_index: int | None  # the positive one of two classes; None for more

    @classmethod
    def of(
        cls, runs: Sequence[Predictions], settings: EvaluationConfig, train: Sequence[Predictions | None] = ()
    ) -> "LabelledRuns":
        """Label and pool the images of runs; ``train`` are the predictions of training images of each, or empty.

        Raises:
            UserError: The runs cannot be pooled, name no positive class for two classes, or hold a probability that is
                not a number.
        """
        pooled = pool(list(runs))
        folds = tuple(map(LabelledFold.from_run, runs, repeat(settings), train or repeat(None)))
        tests = [fold.test for fold in folds]
        return cls(
            folds=folds,
            pooled=pooled,
            test=score(pooled),
            train=_pooled([fold.train for fold in folds]),
            settings=settings,
            runs=list(runs),
            tests=tests,
            sizes=[len(test.labels) for test in tests],
            thresholds=[fold.threshold.value for fold in folds],
            about=runs[0].about if len(runs) == 1 else pooled.about,
            classes=pooled.classes,
            positive_index=pooled.positive_index,
        )


def spread(values: Sequence[float | None], sizes: Sequence[int]) -> np.ndarray | None:
    """Return the value of its fold for each image of folds of these sizes, shape (N,); None where a fold has none."""
    if None in values:
        return None
    return np.repeat(np.array(values, dtype=np.float64), sizes)


def evaluation_settings(values: dict[str, Any]) -> EvaluationConfig:
    """Return the settings of an evaluation that a run has kept, without ``extra``.

    That names functions, which a run of strangers must not have called.

    Raises:
        UserError: Another version of the code has evaluated the run.
    """
    try:
        return EvaluationConfig.model_validate({**values, "extra": {}})
    except ValidationError as error:
        raise UserError(f"settings of an evaluation: {first_fault(error)}: evaluate the run again") from error


def _pooled(folds: Sequence[LabelledPredictions | None]) -> LabelledPredictions | None:
    parts = list(filter(None, folds))
    if not parts or len(parts) < len(folds):
        return None
    labels = np.concatenate([part.labels for part in parts])
    probabilities = np.concatenate([part.probabilities for part in parts])
    # An image trains in several folds: clusters would not be independent, and there are no intervals.
    return replace(parts[0], labels=labels, probabilities=probabilities, clusters=np.arange(len(labels)))
