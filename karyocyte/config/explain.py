"""What pydantic and OmegaConf say of a wrong configuration, in one line with the nearest right keys."""

import difflib
import re
from collections.abc import Mapping, Sequence
from itertools import chain, filterfalse
from typing import Any, TypeVar, get_args

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from karyocyte.common.errors import UserError
from karyocyte.common.installed import loaded
from karyocyte.config.base import StrictModel
from karyocyte.config.defaults import section_defaults
from karyocyte.config.sources import SOURCES, SourceConfig

Model = TypeVar("Model", bound=StrictModel)
NEAREST = 5  # names in a message, at most
_UNION_MEMBER = re.compile(r"constrained-|tuple\[|function-")  # what pydantic adds to the place of a fault


def resolved_values(node: Any, name: str) -> dict[str, Any]:
    """Return a node of a composition as plain values; a ``UserError`` begins with ``name``."""
    try:
        values: Any = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(f"{name}: {str(error).splitlines()[0]}") from error
    return dict(values)


def validated(
    model: type[Model], values: Any, section: str = "", others: Mapping[str, type[StrictModel]] | None = None
) -> Model:
    """Return values as their typed model; a ``UserError`` names the first wrong key, and the nearest right ones.

    ``section`` is the key of the model, "" of the whole configuration; ``others`` are models that might be meant.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error, model, section, others or {})) from error


def _explain(
    error: ValidationError, schema: type[StrictModel], section: str, others: Mapping[str, type[StrictModel]]
) -> str:
    """One line for the first fault, with the number of the others."""
    faults = error.errors()
    fault = faults[0]
    parts = filterfalse(_UNION_MEMBER.match, map(str, fault["loc"]))
    key = ".".join(filter(None, (section, *parts)))
    if fault["type"] == "extra_forbidden":
        known = list(chain.from_iterable(map(known_keys, (schema, *others.values()), (section, *others))))
        text = unknown_key(key, known)
    else:
        text = f"{key or 'configuration'}: {fault['msg'].removeprefix('Value error, ')}"
        # A whole section would bury the message.
        if key and not isinstance(fault["input"], Mapping):
            text += f" (got {fault['input']!r})"
    return text + f" ({len(faults) - 1} more)" * (len(faults) > 1)


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Return the message for an unknown dotted key, with the nearest of those that are ``known``."""
    if key in known:
        return f"{key} has no effect here, it is a key of other data or kinds of network: leave it out"
    return f"unknown key {key}: {did_you_mean(key, known) or 'the files of conf/ list the keys'}"


def did_you_mean(name: str, choices: Sequence[str]) -> str:
    """Ask for the choices that may be meant by a name, at most ``NEAREST``: of the same last word, or similar ones."""
    word = name.rpartition(".")[2]
    # A right word below a wrong section is likelier than a word that is misspelt, so it comes first.
    same_word = [choice for choice in choices if choice.rpartition(".")[2] == word and choice != name]
    same_word.sort(key=lambda choice: choice.count("."))
    near = dict.fromkeys(same_word[:NEAREST] or difflib.get_close_matches(name, choices, n=NEAREST, cutoff=0.6))
    return f"did you mean `{'` or `'.join(near)}`?" if near else ""


def known_keys(schema: type[BaseModel], node: str = "") -> list[str]:
    """Return the dotted keys of a model and of the models in it, below ``node``."""
    keys: dict[str, None] = {}
    section = getattr(schema, "defaults_section", None)
    defaults = section_defaults(section) if section else {}
    for name, field in schema.model_fields.items():
        key = f"{node}.{name}".removeprefix(".")
        keys[key] = None
        if isinstance(defaults.get(name), Mapping):  # also where the model takes the keys of any class
            keys |= {f"{key}.{below}": None for below in defaults[name]}
        if str(field.annotation).startswith(("dict", "tuple")):
            key += ".<name>"
        for model in models_in(field.annotation):
            keys |= dict.fromkeys(known_keys(model, key))
    if schema.model_config.get("extra") == "allow":  # the arguments of a class, as conf/ has them
        keys |= {f"{node}.{name}": None for name in defaults}
    return list(keys)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models named anywhere in an annotation, such as a union or a dict; for a source, those of all sources."""
    if annotation is SourceConfig:
        found = [*SOURCES.values(), *loaded("data").values(), *SourceConfig.__subclasses__()]
        return list(dict.fromkeys(found))  # also those of a user's own
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return list(chain.from_iterable(map(models_in, get_args(annotation))))
