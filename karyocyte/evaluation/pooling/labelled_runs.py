"""The input of an evaluation, made once: labelled images of every fold, thresholds, and all test images pooled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from karyocyte.common.errors import typed
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.metrics.labelled import LabelledPredictions, score
from karyocyte.evaluation.metrics.thresholds import choose_threshold
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.types.result import OperatingPoint
from karyocyte.runs.predictions import VALIDATION, Predictions


@dataclass(frozen=True)
class LabelledFold:
    """The labelled validation and test images of one run; ``threshold`` is the one that validation chose."""

    run: Predictions
    settings: EvaluationConfig
    validation: LabelledPredictions
    test: LabelledPredictions
    threshold: OperatingPoint

    @classmethod
    def from_run(cls, run: Predictions, settings: EvaluationConfig) -> "LabelledFold":
        """Take the labelled rows of a run."""
        validation = score(run.part(VALIDATION))
        return cls(run, settings, validation, score(run.part("test")), choose_threshold(validation, settings))


@dataclass(frozen=True)
class LabelledRuns:
    """One run, or the folds of one experiment, as every part of an evaluation reads them."""

    folds: tuple[LabelledFold, ...]  # at least one
    pooled: Predictions  # the test rows of all folds, fold after fold, and facts (lists where folds differ)
    # the labelled ones of them, and their rows, numbered from 0
    test: LabelledPredictions
    frame: pd.DataFrame
    train: LabelledPredictions | None  # the labelled training images of all folds, pooled; None where a fold has none
    settings: EvaluationConfig
    # the predictions of each fold, the number of its labelled test images, and its threshold (None: it has none)
    runs: list[Predictions]
    sizes: list[int]
    thresholds: list[float | None]

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
        folds = tuple(LabelledFold.from_run(run, settings) for run in runs)
        trained = [each for each in train if each is not None]
        return cls(
            folds=folds,
            pooled=pooled,
            test=score(pooled),
            frame=pooled.frame[pooled.labels >= 0].reset_index(drop=True),
            train=score(*trained) if len(trained) == len(runs) else None,
            settings=settings,
            runs=list(runs),
            sizes=[len(fold.test.labels) for fold in folds],
            thresholds=[fold.threshold.value for fold in folds],
        )


def evaluation_settings(values: dict[str, Any]) -> EvaluationConfig:
    """Return the settings of an evaluation that a run has kept, without ``extra``.

    That names functions, which a run of strangers must not have called.

    Raises:
        UserError: Another version of the code has evaluated the run.
    """
    return typed(EvaluationConfig, {**values, "extra": {}}, "settings of an evaluation", "evaluate the run again")
