"""The typed schema of conf/search/: what is tried, how, and how often. scripts/tune.py takes it off before all else."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, PositiveInt, field_validator, model_validator

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import check_config
from karyocyte.config.base import StrictModel
from karyocyte.config.explain import resolved_values, validated
from karyocyte.config.schema import TrainingConfig

if TYPE_CHECKING:  # half a second that --help and a mistyped key need not wait for
    from optuna import Trial

Value = bool | int | float | str
# What tells a range or a choice from a group of further keys.
_OWN_KEYS = {"low", "high", "log", "choices"}


# What a search rests on: it cannot be searched. The last line decides on the validation images, and trials that are
# evaluated on different images cannot be compared.
FIXED = (
    *("name.", "output_dir.", "cache_dir.", "callbacks.monitor.", "logger.", "evaluation."),
    *("data.", "data_dir.", "protocol.", "split.", "trainer.limit_val_batches."),
)


class DimensionConfig(StrictModel):
    """The values of one key that are tried: a range, both ends within, or a list of choices."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[Value, ...] | None = None

    @model_validator(mode="after")
    def _is_range_or_choices(self) -> "DimensionConfig":
        if self.choices is not None:
            if (self.low, self.high, self.log) != (None, None, False):
                raise ValueError("say low and high, or choices, not both")
            # As texts, since 1 and true are equal.
            if not self.choices or len(set(map(repr, self.choices))) < len(self.choices):
                raise ValueError("choices: name one or more, each once")
        elif self.low is None or self.high is None:
            raise ValueError("say low and high, such as {low: 1.0e-5, high: 0.1, log: true}, or {choices: [8, 16]}")
        elif self.low >= self.high:
            raise ValueError("low must be less than high")
        elif self.log and self.low <= 0:
            raise ValueError("low: a logarithmic range begins above 0")
        return self

    def suggest(self, trial: "Trial", key: str) -> Value:
        """Let Optuna choose the value of ``key`` in a trial."""
        if self.choices is not None:
            return cast("Value", trial.suggest_categorical(key, self.choices))
        assert self.low is not None
        assert self.high is not None
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(key, self.low, self.high, log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)


class SearchConfig(StrictModel):
    """A search over some keys of the configuration; its metric is the experiment's ``callbacks.monitor``."""

    sampler: Literal["tpe", "gp"] = "tpe"
    seed: Annotated[int, Field(ge=0)] = 0
    trials: PositiveInt = 20
    startup_trials: PositiveInt = 8
    worker: Annotated[int, Field(ge=0)] = 0
    out: str | None = None
    space: dict[str, DimensionConfig]

    @field_validator("space", mode="before")
    @classmethod
    def _flatten(cls, space: Any) -> Any:
        if not isinstance(space, Mapping) or not space:
            raise ValueError("name a key and its values, such as loader: {batch_size: {choices: [8, 16]}}")
        return dict(_leaves(space, ""))


def take_search(composed: DictConfig) -> tuple[SearchConfig, DictConfig]:
    """Return the typed search, and what Hydra composed without it."""
    if "search" not in composed:
        raise UserError("no search space is named: add +search=<name>, such as +search=lr_batch (see conf/search)")
    search = validated(SearchConfig, resolved_values(composed.search, "search"), "search")
    rest = composed.copy()
    with open_dict(rest):
        del rest["search"]
    return search, rest


def check_space(search: SearchConfig, composed: DictConfig) -> TrainingConfig:
    """Return the configuration as it is, once it is checked with each value at the ends of the space, too."""
    config = check_config(composed)
    has_one_rate = config.unfreeze.lr is not None or "unfreeze.lr" in search.space
    for key, dimension in search.space.items():
        if f"{key}.".startswith(FIXED):
            raise UserError(f"search.space: {key} cannot be searched, the search itself rests on it")
        if has_one_rate and re.fullmatch(r"unfreeze\.stages\.[^.]+\.(head_)?lr", key):
            raise UserError(f"search.space: unfreeze.lr replaces {key}, so that it has no effect: leave one out")
        for value in dimension.choices or (dimension.low, dimension.high):
            assert value is not None
            try:
                with_values(composed, {key: value})
            except UserError as error:
                raise UserError(f"search.space: {error}") from error
    return config


def with_values(composed: DictConfig, values: Mapping[str, Value]) -> TrainingConfig:
    """Return the typed configuration with some keys set; a ``UserError`` says that a key or value is wrong."""
    changed = composed.copy()
    for key, value in values.items():
        try:
            OmegaConf.update(changed, key, value, force_add=True)
        except (OmegaConfBaseException, TypeError, ValueError) as error:
            raise UserError(f"unknown key {key}: {str(error).splitlines()[0]}") from error
    return check_config(changed)


def _leaves(space: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    """Yield the ranges and choices with their dotted keys; keys may be nested, dotted or both."""
    for name, inner in space.items():
        key = f"{above}{name}"
        if isinstance(inner, Mapping) and inner and not _OWN_KEYS & inner.keys():
            yield from _leaves(inner, f"{key}.")
        else:
            yield key, inner
