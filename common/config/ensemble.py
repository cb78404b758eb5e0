"""The typed schema of conf/ensemble.yaml: how the weights of an ensemble are fitted."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from common.config.base import Probability, Share, StrictModel
from common.config.command import read_section
from common.paths import CONF

Objective = Literal["f1_weighted", "nll"]
Kind = Literal["shared", "full"]
Count = Annotated[int, Field(ge=0)]
FILE = CONF / "ensemble.yaml"


class GeneticConfig(StrictModel):
    """Paper 004's genetic algorithm (3.4.3.1), of which it gives the operators and no number."""

    population: Annotated[int, Field(ge=2)] = 100
    generations: Count = 50
    restarts: PositiveInt = 10
    tournament: PositiveInt = 3
    crossover: Probability = 0.9
    mutation: Probability = 0.5
    elites: Count = 1

    @model_validator(mode="after")
    def _has_children(self) -> "GeneticConfig":
        if self.elites >= self.population:
            raise ValueError(f"elites={self.elites} leave no place for children in a population of {self.population}")
        return self


class SearchBudgetConfig(StrictModel):
    """What the general optimisers share."""

    objective: Objective = "f1_weighted"
    evaluations: PositiveInt = 10_000
    population: Annotated[int, Field(ge=5)]

    @model_validator(mode="after")
    def _has_a_generation(self) -> "SearchBudgetConfig":
        if self.evaluations <= self.population:
            raise ValueError(f"evaluations={self.evaluations}: a population of {self.population} needs more of them")
        return self


class CmaConfig(SearchBudgetConfig):
    """CMA-ES on the logits of the weights."""

    population: Annotated[int, Field(ge=5)] = 20
    step: PositiveFloat = 1.0


class DifferentialConfig(SearchBudgetConfig):
    """Differential evolution on the weights before they are normalised."""

    population: Annotated[int, Field(ge=5)] = 50
    strategy: Literal["best1bin", "rand1bin", "randtobest1bin", "currenttobest1bin", "best2bin", "rand2bin"] = (
        "best1bin"
    )
    mutation: tuple[Annotated[float, Field(ge=0, lt=2)], Annotated[float, Field(ge=0, lt=2)]] = (0.5, 1.0)
    recombination: Probability = 0.7


class GreedyConfig(StrictModel):
    """Forward selection with replacement."""

    objective: Objective = "f1_weighted"
    rounds: PositiveInt = 50
    start: PositiveInt = 1
    bags: PositiveInt = 1
    bag_share: Share = 0.5

    @model_validator(mode="after")
    def _starts_within(self) -> "GreedyConfig":
        if self.start > self.rounds:
            raise ValueError(f"start={self.start} members are taken at once, of only rounds={self.rounds} in all")
        return self


class StackingConfig(StrictModel):
    """Logistic regression on the members' log-odds."""

    kind: Kind = "shared"
    folds: Annotated[int, Field(ge=2)] = 5
    strengths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.001, 0.01, 0.1, 1.0, 10.0)


class EnsembleConfig(StrictModel, defaults="ensemble"):
    """How the weights of an ensemble are fitted, one group of keys for each method that has any."""

    genetic: GeneticConfig = GeneticConfig()
    cma: CmaConfig = CmaConfig()
    differential: DifferentialConfig = DifferentialConfig()
    greedy: GreedyConfig = GreedyConfig()
    stacking: StackingConfig = StackingConfig()


def load_ensemble_config(overrides: Sequence[str] = (), method: str | None = None) -> EnsembleConfig:
    """Read conf/ensemble.yaml with overrides; ``method`` is the group of keys without a dot.

    Raises:
        UserError: A key is unknown (the nearest right ones are named), or a value has the wrong type or range.
    """
    groups = EnsembleConfig.model_fields
    complete = []
    for override in overrides:
        key = override.split("=")[0]
        of_method = method in groups and "." not in key and key not in groups
        complete.append(f"{method}.{override}" if of_method else override)
    return read_section(EnsembleConfig, complete)
