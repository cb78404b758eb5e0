"""The arguments of a data module as the configuration of a training."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from omegaconf import DictConfig

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import check_config, compose_overrides
from karyocyte.config.explain import unknown_key
from karyocyte.config.python_words import in_python_words, set_keys
from karyocyte.config.schema import TrainingConfig
from karyocyte.config.sources import SourceConfig

SECTIONS = ("split", "loader", "prepare")  # whose keys are arguments by their last names


def compose_data(
    data: str | SourceConfig, keys: Mapping[str, Any], primary: str = "train"
) -> tuple[TrainingConfig, Callable[[], AbstractContextManager[None]]]:
    """Return the configuration that ``python train.py data=<data>`` would train with, but for the given keys.

    ``primary`` is its ``--config-name``. The second value is a context whose errors name the arguments.

    Raises:
        UserError: A key is unknown, a value does not fit, or two of them contradict one another.
    """
    given = {key: value for key, value in keys.items() if value is not None}
    changes: dict[str, Any] = {}
    if isinstance(data, SourceConfig):
        changes["data"] = data.model_dump()
        data = str(data.defaults_section).removeprefix("data/")
    options = {"data": data}
    # A text is the option of a group here, whose keys others may then change.
    for group in ("transform", "balance"):
        if isinstance(given.get(group), str):
            options[group] = given.pop(group)
    composed = compose_overrides([f"{group}={name}" for group, name in options.items()], primary)
    places = argument_places(composed)
    for key, value in sorted(given.items(), key=lambda item: item[0] in SECTIONS):  # a section overrides its keys
        changes |= _placed(key, value, places)
    in_words = partial(in_python_words, {place: key for key, place in places.items()})
    with in_words():
        set_keys(composed, changes)
        return check_config(composed), in_words


def _placed(key: str, value: Any, places: Mapping[str, str]) -> dict[str, Any]:
    """Return the dotted key of an argument with its value; ``clahe={"clip_limit": 3}`` has two."""
    if key not in places:
        raise UserError(unknown_key(key, list(places)))
    if not isinstance(value, Mapping) or not any(name.startswith(f"{key}_") for name in places):
        return {places[key]: value}
    placed = {places[key]: True}  # settings switch it on
    for name, setting in value.items():
        placed |= _placed(f"{key}_{name}", setting, places)
    return placed


def argument_places(composed: DictConfig) -> dict[str, str]:
    """Return the dotted key of each argument: one of the whole, of a section, or of the source, in this order."""
    places = {str(key): f"data.{key}" for key in composed.data}
    for section in filter(composed.__contains__, SECTIONS):
        places |= {str(key): f"{section}.{key}" for key in composed[section]}
    return places | {str(key): str(key) for key in composed}
