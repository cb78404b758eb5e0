"""The options of scripts/ensemble.py, and its keys: checked first, without the imports of the evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from karyocyte.common.errors import UserError
from karyocyte.config.base import FROM_YAML, Probability, StrictModel
from karyocyte.config.command import Command
from karyocyte.config.schema import EvaluationConfig
from karyocyte.runs.arguments import new_folder
from karyocyte.runs.run import Run, open_runs

Count = Annotated[int, Field(ge=0)]


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


@dataclass(frozen=True)
class EnsembleRequest:
    """The options of scripts/ensemble.py, which explains them."""

    runs: tuple[Run, ...]
    method: str
    output: Path
    config: GeneticConfig
    evaluation: EvaluationConfig
    seed: int
    common: bool  # whether validation images that a member lacks are left out
    name: str | None  # name of the ensemble in tables; None: its method and members

    @classmethod
    def from_words(cls, method: str, words: Sequence[str], output: Path, **options: object) -> "EnsembleRequest":
        """Check the words of a command line.

        Raises:
            UserError: The folder exists, a key is unknown or of another method, or a run is missing.
        """
        new_folder(output)
        command = Command(words, GeneticConfig, EvaluationConfig)
        config = command[GeneticConfig]
        if method != "genetic" and config != GeneticConfig():
            raise UserError(f"{method} fits no weights: leave out the keys of conf/ensemble.yaml")
        runs = tuple(open_runs(command.paths))
        return cls(runs, method, output, config, command[EvaluationConfig], **options)  # type: ignore[arg-type]

    @staticmethod
    def folder(fold: int | None, output: Path) -> Path:
        """Return the folder of the ensemble of a fold."""
        return output if fold is None else output / f"fold{fold}"
