"""The options of scripts/ensemble.py, and its keys: checked first, without the imports of the evaluation."""

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from karyocyte.common.errors import UserError
from karyocyte.config.base import FROM_YAML, Count, Probability, StrictModel
from karyocyte.config.command import Request
from karyocyte.config.schema import EvaluationConfig
from karyocyte.runs.arguments import new_folder
from karyocyte.runs.run import Run, open_runs


class GeneticConfig(StrictModel, defaults="ensemble:genetic"):
    """Paper 004's genetic algorithm (3.4.3.1), of which it gives the operators and no number."""

    population: Annotated[int, Field(ge=2)] = FROM_YAML
    generations: Count = FROM_YAML
    restarts: PositiveInt = FROM_YAML
    tournament: PositiveInt = FROM_YAML
    crossover: Probability = FROM_YAML
    mutation: Probability = FROM_YAML
    elites: Count = FROM_YAML

    @model_validator(mode="after")
    def _has_children(self) -> "GeneticConfig":
        if self.elites >= self.population:
            raise ValueError(f"elites={self.elites} leave no place for children in a population of {self.population}")
        return self


class EnsembleRequest(Request):
    """The options of scripts/ensemble.py, which explains them."""

    method: str
    output: Path
    config: GeneticConfig
    evaluation: EvaluationConfig
    seed: int = 0
    common: bool = False  # whether validation images that a member lacks are left out
    name: str | None = None  # name of the ensemble in tables; None: its method and members

    @cached_property
    def runs(self) -> list[Run]:
        """The runs among the words."""
        return open_runs(self.paths)

    def check(self) -> None:
        """Raise a ``UserError`` if the folder exists, a key is of another method, or a run is missing."""
        new_folder(self.output)
        if self.method != "genetic" and (self.seed or self.config != GeneticConfig()):
            raise UserError(f"{self.method} fits no weights: leave out --seed and the keys of conf/ensemble.yaml")
        self.evaluation.triage.check_votes(False)  # an ensemble has no passes
        _ = self.runs

    @staticmethod
    def folder(fold: int | None, output: Path) -> Path:
        """Return the folder of the ensemble of a fold."""
        return output if fold is None else output / f"fold{fold}"
