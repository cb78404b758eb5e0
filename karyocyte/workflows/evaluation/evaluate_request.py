"""The options of scripts/evaluate.py: checked first, without the imports of the evaluation."""

import shlex
from collections.abc import Sequence
from os.path import commonpath, relpath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from karyocyte.common.errors import UserError
from karyocyte.config.command import Request
from karyocyte.config.schema import EvaluationConfig
from karyocyte.runs.arguments import existing_predictions, new_folder
from karyocyte.runs.run import Run, open_runs

if TYPE_CHECKING:
    from karyocyte.runs.predictions import Predictions

DATA_KEYS = ("data", "data_dir", "cache_dir")  # of the configuration: they name a data set


class EvaluateRequest(Request):
    """The options of scripts/evaluate.py, which explains them."""

    settings: EvaluationConfig  # the keys of evaluation in conf/train.yaml, with those among the words
    part: Literal["test", "validation"] = "test"
    group: str | None = None
    csv: Path | None = None
    label: str = ""
    output: Path | None = None
    on: list[str] | None = None
    mapped: list[str] | None = None
    batchnorm: str | None = None
    errors: bool = False
    paper: list[str] | None = None

    @property
    def papers(self) -> tuple[str, ...]:
        """The papers whose figures are graded; none is named for all of them."""
        return tuple(paper for paper in self.paper or () if paper != "all")

    def settings_of(self, runs: Sequence["Predictions"]) -> EvaluationConfig:
        """Return the settings for these runs, which turn on what installed packages add where no key does."""
        from karyocyte.evaluation.pooling.sections import turned_on

        return turned_on(self.settings, runs, kept=set(map(_key_of, self.overrides)))

    @staticmethod
    def folders(runs: Sequence[Run]) -> list[str]:
        """Return the folder to write of each run, below ``output``: that itself, of several runs the differing path."""
        resolved = [run.folder.resolve() for run in runs]
        shared = commonpath(resolved)
        return [relpath(folder, shared) for folder in resolved]

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
        if self.paper:
            self._check_graded()
            return
        if not self.paths:
            raise UserError("no run is named: name its folder, or latest")
        if self.is_external:
            self._check_external()
            return
        existing_predictions(self.paths)
        if self.output:
            new_folder(self.output)
        elif self.errors:
            raise UserError("--errors writes tables and pictures: add --output errors")

    def _check_graded(self) -> None:
        without_effect = self.model_dump(exclude={"paths", "settings", "paper", "csv"}, exclude_defaults=True)
        if without_effect:
            raise UserError(f"{', '.join(without_effect)} beside --paper: runs are graded as they are: leave it out")

    def _check_external(self) -> None:
        if self.part == "validation" or self.group:
            raise UserError("--part or --group beside --on: all images of another data set are test images")
        runs = open_runs(self.paths)
        if not self.on:
            raise UserError("--map and --batchnorm are about another data set: name it with --on data=...")
        if self.output is None:
            raise UserError("--on writes a folder like a run's for each run: add --output")
        for override in self.on:
            key = _key_of(override)
            if "=" not in override or not (key in DATA_KEYS or key.startswith("data.")):
                names = "data=<source>, data.<key>=..., data_dir=... and cache_dir=..."
                raise UserError(f"--on {override}: it takes {names}; all else is the run's own")
        if "data" not in map(_key_of, self.on):
            raise UserError(f"--on {' '.join(self.on)}: name the source of the other data set, such as data=folder")
        for run in runs:
            _check_own_data(run)
        new_folder(self.output)


def _key_of(override: str) -> str:
    """Return the key of an override such as ``+data.file=x``, without the name of the section of evaluation."""
    return override.partition("=")[0].lstrip("+").removeprefix("evaluation.")


def _check_own_data(run: Run) -> None:
    """Refuse what was not trained: an ensemble, or an evaluation on another data set."""
    if run.is_ensemble:
        combine = "name its members, and combine their evaluations (scripts/ensemble.py)"
        raise UserError(f"{run.folder} is an ensemble: {combine}")
    if run.status.tested is not None:
        itself = run.best_checkpoint.resolve().parents[2]  # above checkpoints/<stage>/
        name = shlex.quote(str(itself)) if itself.is_dir() else run.status.tested
        raise UserError(f"{run.folder} is an evaluation on another data set: name the run itself, {name}")
    Run.open_finished(run.folder)
