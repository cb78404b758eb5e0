"""What the configurations of the kinds of networks have: the keys of conf/train.yaml without effect are errors."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from karyocyte.common.errors import UserError
from karyocyte.config.schema import Config, TrainingConfig, configuration_of


def with_known_keys(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a composed configuration without those keys of a classifier that its ``recipe`` does not have.

    Args:
        values: What Hydra composed.
        defaults: What it composes of data of this recipe, and nothing else.

    Raises:
        UserError: Such a key has another value than in ``defaults``.
    """
    return _known(configuration_of(values["recipe"]), Config, values, defaults, ())


def as_classifier(config: TrainingConfig) -> Config:
    """Return the configuration of a classifier as such; a ``UserError`` says that it is that of another network."""
    if isinstance(config, Config):
        return config
    raise UserError(f"data={config.data.source} is for a {config.recipe}: name the data of a classifier here")


def _known(
    model: type[BaseModel],
    classifier: type[BaseModel],
    values: Mapping[str, Any],
    defaults: Mapping[str, Any],
    place: tuple[str, ...],
) -> dict[str, Any]:
    """Return the keys of a section at a ``place``, of which ``classifier`` has all, that a model has or none of both.

    Raises:
        UserError: One that is left out is not at its default.
    """
    known = {}
    for key, value in values.items():
        theirs = classifier.model_fields.get(key)
        ours = model.model_fields.get(key)
        if theirs and not ours:
            _check_default((*place, key), value, defaults[key])
        elif theirs and ours and ours.annotation != theirs.annotation and isinstance(value, Mapping):
            section: Any = ours.annotation
            of_classifier: Any = theirs.annotation
            known[key] = _known(section, of_classifier, value, defaults[key], (*place, key))
        else:
            known[key] = value
    return known


def _check_default(place: tuple[str, ...], value: Any, default: Any) -> None:
    if isinstance(value, Mapping) and isinstance(default, Mapping):
        for key, below in value.items():
            _check_default((*place, key), below, default.get(key))
    elif value != default:
        key = ".".join(place)
        effect = "has no effect on this kind of network (recipe): leave it out"
        tried = "for a short trial type `trainer.max_epochs=1 trainer.limit_train_batches=2`, no +profile"
        raise UserError(f"{key}={value} {effect}; {tried}")
