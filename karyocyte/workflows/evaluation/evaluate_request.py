"""The options of scripts/evaluate.py: checked first, without the imports of the evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from karyocyte.common.errors import UserError
from karyocyte.common.installed import entries
from karyocyte.config.command import Request
from karyocyte.config.schema import EvaluationConfig
from karyocyte.runs.arguments import existing_predictions, new_folder

if TYPE_CHECKING:
    from karyocyte.runs.predictions import Predictions


class EvaluateRequest(Request):
    """The options of scripts/evaluate.py, which explains them."""

    settings: EvaluationConfig  # the keys of evaluation in conf/train.yaml, with those among the words
    part: Literal["test", "validation"] = "test"
    group: str | None = None
    csv: Path | None = None
    output: Path | None = None
    paper: list[str] | None = None

    @property
    def papers(self) -> tuple[str, ...]:
        """The papers whose figures are graded; none is named for all of them."""
        return tuple(paper for paper in self.paper or () if paper != "all")

    def settings_of(self, runs: Sequence["Predictions"]) -> EvaluationConfig:
        """Return the settings for these runs, which turn on what installed packages add where no key does."""
        from karyocyte.evaluation.pooling.sections import turned_on

        keys = (override.partition("=")[0].removeprefix("evaluation.") for override in self.overrides)
        return turned_on(self.settings, runs, kept=set(keys))

    def check(self) -> None:
        """Check the options as far as it is possible without reading predictions.

        Raises:
            UserError: An option is missing or does not fit the others, a file to write exists, or a run is missing or
                named twice.
        """
        if self.paper:
            self._check_graded()
            return
        if not self.paths:
            raise UserError("no run is named: name its folder, or latest")
        existing_predictions(self.paths)
        if self.output:
            new_folder(self.output)
        if self.csv:
            raise UserError("--csv is for grades (--paper): --output NEW writes metrics.csv, and pairs.csv of several")

    def _check_graded(self) -> None:
        if not entries("grades"):
            raise UserError("what grades printed figures is not installed: make setup")
        heads = self.csv.read_text(encoding="utf-8").partition("\n")[0] if self.csv and self.csv.is_file() else "grade"
        if "grade" not in heads.split(","):
            raise UserError(f"--csv {self.csv} is another table, which would be lost: name a new file")
        without_effect = self.model_dump(exclude={"paths", "settings", "paper", "csv"}, exclude_defaults=True)
        if without_effect:
            raise UserError(f"{', '.join(without_effect)} beside --paper: runs are graded as they are: leave it out")
