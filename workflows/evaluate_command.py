"""The arguments of scripts/evaluate.py: checked first, without the imports of the evaluation."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from common.arguments import existing_predictions, new_folder
from common.errors import UserError
from common.runs.run import open_runs

if TYPE_CHECKING:
    from common.config.schema import EvaluationConfig
    from workflows.evaluate import EvaluationOptions


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments:
    """The arguments of scripts/evaluate.py, which explains them."""

    runs: list[Path]
    against: list[Path] | None
    csv: Path | None
    label: str
    output: Path | None
    resamples: int
    confidence: float
    threshold: StrEnum
    sensitivity: float
    seed: int
    assign: bool | None
    costs: StrEnum
    extra_cost: float | None
    missing_cost: float | None
    bins: int
    release_sensitivity: float
    vote_share: float
    coverage: float
    correction: StrEnum
    on: list[str] | None
    mapped: list[str] | None
    submission: Path | None
    codes: list[str] | None

    def settings(self) -> "EvaluationConfig":
        """Return the settings of the evaluation."""
        from common.config.schema import EvaluationConfig

        triage = {
            "sensitivity": self.release_sensitivity,
            "vote_share": self.vote_share,
            "coverage": self.coverage,
        }
        settings = {
            "resamples": self.resamples,
            "confidence": self.confidence,
            "threshold": self.threshold.value,
            "sensitivity": self.sensitivity,
            "seed": self.seed,
            "calibration_bins": self.bins,
            "correction": self.correction.value,
            "triage": triage,
        }
        return EvaluationConfig.model_validate(settings)


def run(arguments: EvaluateArguments) -> None:
    """Evaluate runs on their own test images or, with ``--on``, on another data set.

    Raises:
        UserError: A run is missing, is named twice or does not fit the others, or an argument does not fit the others.
    """
    if arguments.on or arguments.mapped or arguments.submission or arguments.codes:
        _evaluate_external(arguments)
    else:
        _evaluate(arguments)


def _evaluate(arguments: EvaluateArguments) -> None:
    files = existing_predictions(arguments.runs)
    baseline = existing_predictions(arguments.against or [])
    if arguments.output:
        new_folder(arguments.output)
    from common.predictions import read_predictions
    from workflows.evaluate import report

    names = [str(file.parent) for file in files]
    runs = [read_predictions(file) for file in files]
    report(runs, names, [read_predictions(file) for file in baseline], _options(arguments))


def _evaluate_external(arguments: EvaluateArguments) -> None:
    from common.cli import heavy_imports
    from workflows.external_request import ExternalRequest

    if arguments.against:
        raise UserError("--against beside --on: evaluate each on the other set first, then compare their folders")
    runs = open_runs(arguments.runs)
    request = ExternalRequest(
        arguments.on or [],
        arguments.mapped or [],
        arguments.output,
        arguments.csv,
        arguments.label,
        arguments.submission,
        arguments.codes or [],
    )
    request.check(runs)
    with heavy_imports():
        from workflows.external import evaluate_external
    evaluate_external(runs, request, _options(arguments).of)


def _options(arguments: EvaluateArguments) -> "EvaluationOptions":
    from workflows.evaluate import EvaluationOptions

    costs = {"extra_cost": arguments.extra_cost, "missing_cost": arguments.missing_cost}
    return EvaluationOptions(
        arguments.settings(),
        arguments.assign,
        arguments.costs.value,
        costs,
        arguments.csv,
        arguments.label,
        arguments.output,
    )
