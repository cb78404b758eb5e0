"""The typed schema of conf/ensemble.yaml: how the weights of an ensemble are fitted."""

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from common.config.base import FROM_YAML, Probability, StrictModel

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
