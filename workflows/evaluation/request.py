"""The options of scripts/evaluate.py: checked first, without the imports of the evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonpath, relpath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from common.arguments import existing_predictions, new_folder
from common.errors import UserError
from common.runs.run import Run, open_runs

if TYPE_CHECKING:
    from common.config.schema import EvaluationConfig
    from common.predictions import Predictions

DATA_KEYS = ("data", "data_dir", "cache_dir")  # of the configuration: they name a data set


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """The options of scripts/evaluate.py, which explains them."""

    runs: list[Path]
    against: list[Path] | None
    part: Literal["test", "validation"]
    csv: Path | None
    label: str
    output: Path | None
    resamples: int
    confidence: float
    threshold: str
    sensitivity: float
    seed: int
    assign: bool | None
    costs: str
    extra_cost: float | None
    missing_cost: float | None
    bins: int
    release_sensitivity: float
    vote_share: float
    coverage: float
    correction: str
    on: list[str] | None
    mapped: list[str] | None
    batchnorm: str | None

    def settings_of(self, runs: Sequence["Predictions"]) -> "EvaluationConfig":
        """Return the settings for these runs, which decide on the joint assignment where no option does."""
        from common.config.schema import EvaluationConfig
        from evaluation.cells.cell_metrics import assignment_refusal

        assignment: dict[str, object] = {"enabled": self.assign, "costs": self.costs}
        if self.extra_cost is not None:
            assignment["extra_cost"] = self.extra_cost
        if self.missing_cost is not None:
            assignment["missing_cost"] = self.missing_cost
        if len(assignment) > 2 or self.costs != "fixed":
            if self.assign is False:
                raise UserError("--no-assign beside the costs of an assignment: leave out the one or the other")
            assignment["enabled"] = True  # and a warning says so where it is not possible
        elif self.assign is None:
            assignment["enabled"] = assignment_refusal(list(runs)) is None
        same = ("resamples", "confidence", "threshold", "sensitivity", "seed", "correction")
        triage = {"sensitivity": self.release_sensitivity, "vote_share": self.vote_share, "coverage": self.coverage}
        settings = {name: getattr(self, name) for name in same} | {"triage": triage, "assignment": assignment}
        settings["calibration_bins"] = self.bins
        return EvaluationConfig.model_validate(settings)

    def folders(self, runs: Sequence[Run]) -> list[Path]:
        """Return the folder to write of each run: ``output``, of several runs the differing path below it; or []."""
        if self.output is None:
            return []
        if len(runs) == 1:
            return [self.output]
        resolved = [run.folder.resolve() for run in runs]
        shared = commonpath(resolved)
        return [self.output / relpath(folder, shared) for folder in resolved]

    @property
    def keys(self) -> list[str]:
        """The keys of the overrides of ``--on``."""
        return [override.partition("=")[0].lstrip("+") for override in self.on or []]

    @property
    def is_external(self) -> bool:
        """Whether the runs are evaluated on another data set."""
        return any((self.on, self.mapped, self.batchnorm))

    def check(self) -> None:
        """Check the options as far as it is possible without reading predictions or images.

        Raises:
            UserError: An option is missing or does not fit the others, a file to write exists, or a run is missing or
                named twice; on another data set, a run is an ensemble, unfinished or itself such an evaluation.
        """
        if self.is_external and self.against:
            raise UserError("--against beside --on: evaluate each on the other set first, then compare their folders")
        if self.is_external:
            if self.part == "validation":
                raise UserError("--part validation beside --on: all images of another data set are test images")
            self._check_external()
            return
        existing_predictions(self.runs)
        existing_predictions(self.against or [])
        if self.part == "validation" and self.costs == "validation":
            raise UserError("--costs validation beside --part validation: they are chosen and evaluated on one part")
        if self.output:
            new_folder(self.output)

    def _check_external(self) -> None:
        runs = open_runs(self.runs)
        if not self.on:
            raise UserError("--map and --batchnorm are about another data set: name it with --on data=...")
        if self.output is None:
            raise UserError("--on writes a folder like a run's for each run: add --output")
        for override, key in zip(self.on, self.keys, strict=True):
            if "=" not in override or not (key in DATA_KEYS or key.startswith("data.")):
                names = "data=<source>, data.<key>=..., data_dir=... and cache_dir=..."
                raise UserError(f"--on {override}: it takes {names}; all else is the run's own")
        if "data" not in self.keys:
            raise UserError(f"--on {' '.join(self.on)}: name the source of the other data set, such as data=folder")
        for run in runs:
            _check_own_data(run)
        for folder in self.folders(runs):
            new_folder(folder)


def _check_own_data(run: Run) -> None:
    """Refuse what was not trained: an ensemble, or an evaluation on another data set."""
    if run.is_ensemble:
        combine = "name its members, and combine their evaluations (scripts/ensemble.py)"
        raise UserError(f"{run.folder} is an ensemble: {combine}")
    if run.status.tested is not None:
        tested = run.status.tested
        raise UserError(f"{run.folder} is an evaluation on another data set: name the run itself, {tested}")
    Run.open_finished(run.folder)
