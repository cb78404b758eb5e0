"""The arguments of a data module as the configuration of a training."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from pydantic_core import to_jsonable_python

from karyocyte.common.composition.compose import check_config, compose_overrides
from karyocyte.common.config.schema import TrainingConfig
from karyocyte.common.config.sources import SourceConfig

# Keys of a data module that stand for a key of a section.
_SHORT = {"size": "prepare.size", "batch_size": "loader.batch_size"}


def compose_data(data: str | SourceConfig, keys: Mapping[str, Any]) -> TrainingConfig:
    """Return the configuration that ``python train.py data=<data>`` would train with, but for the given keys.

    Raises:
        UserError: A key is unknown, a value does not fit, or two of them contradict one another.
    """
    given = {key: value for key, value in keys.items() if value is not None}
    if isinstance(data, str):
        options = {"data": data}
    else:
        options = {"data": str(data.defaults_section).removeprefix("data/")}
        given |= data.model_dump(mode="json")
    for group in ("transform", "balance"):
        if isinstance(given.get(group), str):
            options[group] = given.pop(group)
    composed = compose_overrides([f"{group}={name}" for group, name in options.items()])
    for key, value in given.items():
        place = _SHORT.get(key, key)
        if place == key and key not in composed:
            place = f"data.{key}"
        OmegaConf.update(composed, place, to_jsonable_python(value), force_add=True)
    return check_config(composed)
