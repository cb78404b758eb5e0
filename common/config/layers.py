"""Sections of the configuration without Hydra: conf/train.yaml, changed by other files of conf/ and by given keys."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ValidationError

from common.config.base import StrictModel
from common.config.explain import explain
from common.errors import UserError
from common.paths import CONF

Model = TypeVar("Model", bound=StrictModel)


def layered_section(section: str, layers: Sequence[str] = ()) -> dict[str, Any]:
    """Return the keys of a section of conf/train.yaml, such as ``prepare``.

    Args:
        section: Its name.
        layers: Files of conf/ that change it, such as "task/chromosomes"; the last one counts.
    """
    return _as_dict(OmegaConf.merge(*[_load(layer).get(section, {}) for layer in ("train", *layers)]))


def layered_value(key: str, layers: Sequence[str] = ()) -> Any:
    """Return a single value of conf/train.yaml, such as ``cache_dir``, as the layers change it."""
    return next(_load(layer)[key] for layer in (*reversed(layers), "train") if key in _load(layer))


def layered_choice(group: str, layers: Sequence[str] = ()) -> str:
    """Return the option of a group, such as ``transform``, that conf/train.yaml and the layers choose."""
    for layer in (*reversed(layers), "train"):
        for entry in _load(layer).get("defaults", []):
            choices = {} if isinstance(entry, str) else dict(entry)
            for key in (group, f"override /{group}"):
                if key in choices:
                    return str(choices[key])
    raise KeyError(group)


def typed_section(
    model: type[Model], defaults: Mapping[str, Any], values: Model | Mapping[str, Any], section: str
) -> Model:
    """Return a section as its typed model.

    Args:
        model: Its type.
        defaults: The keys of the YAML.
        values: The section itself, or the keys that differ from the defaults.
        section: What error messages call it.

    Raises:
        UserError: A key is unknown or a value does not fit.
    """
    if isinstance(values, model):
        return values
    changes = {}
    for key, value in dict(values).items():
        changes[key] = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    try:
        return model.model_validate(_as_dict(OmegaConf.merge(dict(defaults), changes)))
    except ValidationError as error:
        raise UserError(explain(error, model, section)) from error


def _load(name: str) -> DictConfig:
    loaded = OmegaConf.load(CONF / f"{name}.yaml")
    assert isinstance(loaded, DictConfig)
    return loaded


def _as_dict(config: Any) -> dict[str, Any]:
    values: Any = OmegaConf.to_container(config, resolve=True)
    return dict(values)
