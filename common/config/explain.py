"""What Hydra and pydantic say of a wrong configuration, in one line with the nearest right keys."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, get_args

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError
from yaml import YAMLError

from common.config.cluster import known_keys as cluster_keys
from common.config.data import SourceConfig, source_models
from common.config.schema import Config
from common.errors import UserError

ADDED_GROUPS = ("experiment", "profile", "sweep", "search", "cluster")
NEAREST = 5  # names in a message, at most
_UNION_MEMBER = re.compile(r"constrained-|tuple\[|function-")  # what pydantic adds to the place of a fault
_FROM_RESOLVER = "UserError raised while resolving interpolation: "  # what OmegaConf puts before a message of ours


@contextmanager
def explain_composition() -> Iterator[None]:
    """Turn what Hydra says of a wrong override or a broken YAML file into one line.

    Raises:
        UserError: In place of Hydra's own errors.
    """
    try:
        yield
    except OverrideParseException as error:
        raise UserError(f"cannot read the override {error.override!r}: quote what the shell or Hydra takes") from error
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise UserError(_explain_hydra(error)) from error


def explain(error: ValidationError, schema: type[BaseModel] = Config, node: str = "") -> str:
    """Return one line for the first fault of the configuration, with the number of the others.

    Args:
        error: From pydantic.
        schema: The model that was validated.
        node: The key of the model; "" for the whole configuration.
    """
    faults = error.errors()
    fault = faults[0]
    tags = {str(part) for part in fault["loc"]}
    key = ".".join([*filter(None, [node]), *_key_parts(fault["loc"])])
    if fault["type"] == "extra_forbidden":
        text = unknown_key(key, known_keys(schema, tags, node))
    elif fault["type"] == "union_tag_invalid":
        text = f"{key}.source: {fault['ctx']['tag']!r} is none of {fault['ctx']['expected_tags']}"
    elif fault["type"] == "missing":
        text = f"{key} is missing: add {key}=..."
    else:
        text = f"{key or 'configuration'}: {fault['msg'].removeprefix('Value error, ')}"
        if key and not isinstance(fault["input"], Mapping):
            text += f" (got {fault['input']!r})"
    if len(faults) > 1:
        text += f" ({len(faults) - 1} more)"
    return text


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Return the message for an unknown dotted key."""
    if key in ADDED_GROUPS:
        return f"unknown key {key}: groups are added with a +, such as +{key}=..."
    groups = [] if "." in key else [f"+{group}" for group in ADDED_GROUPS]
    near = nearest(key, [*groups, *known])
    if not near:
        return f"unknown key {key}: conf/train.yaml lists the keys"
    return f"unknown key {key}: did you mean {' or '.join(near)}?"


def nearest(name: str, choices: Sequence[str]) -> list[str]:
    """Return the choices that may be meant by a name, at most ``NEAREST``, those that end in the same word first."""
    word = name.rsplit(".", 1)[-1]
    choices = [_with_name_of(name, choice) for choice in choices]
    same_word = [choice for choice in choices if choice.rsplit(".", 1)[-1] == word and choice != name]
    same_word.sort(key=lambda choice: choice.count("."))
    similar = difflib.get_close_matches(name, choices, n=3, cutoff=0.6)
    return (same_word or similar)[:NEAREST]


def _with_name_of(key: str, choice: str) -> str:
    """Replace ``<name>`` in a known key by the part of the typed key at its place, dots included."""
    before, placeholder, after = choice.partition("<name>")
    if not placeholder:
        return choice
    parts = key.split(".")
    name = ".".join(parts[before.count(".") : len(parts) - after.count(".")])
    return f"{before}{name}{after}" if name else choice


def known_keys(schema: type[BaseModel], tags: set[str] | None = None, node: str = "") -> list[str]:
    """Return the dotted keys of a model and of the models in it.

    Args:
        schema: The model.
        tags: Where a key may hold one of several models, only those with a ``source`` among these; None: all.
        node: The prefix of the keys.
    """
    keys = []
    for name, field in schema.model_fields.items():
        key = f"{node}.{name}" if node else name
        keys.append(key)
        below = f"{key}.<name>" if str(field.annotation).startswith(("dict", "tuple")) else key
        for model in _models(field.annotation):
            if tags is None or _sources(model) is None or tags & {*(_sources(model) or ())}:
                keys += known_keys(model, tags, below)
    return list(dict.fromkeys(keys))


def _explain_hydra(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, YAMLError) else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    quoted = re.search(r"'([^']+)'", lines[0])
    name = quoted.group(1) if quoted else ""
    if isinstance(cause, YAMLError):
        return "a YAML file cannot be read: " + ", ".join(lines)
    if lines[0].startswith(_FROM_RESOLVER):
        return lines[0].removeprefix(_FROM_RESOLVER)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        options = list(error.options or ())
        near = difflib.get_close_matches(option, options, n=NEAREST, cutoff=0.5) or options[:NEAREST]
        return f"there is no {group}={option}: did you mean {' or '.join(near)}? (conf/{group}/ has them all)"
    if lines[0].startswith("Ambiguous value"):
        return f"{name} names several values: add -m to train one run for each, python train.py -m ..."
    if lines[0].startswith("Could not override"):
        return _not_composed(name)
    return " ".join(lines[:2])


def _not_composed(key: str) -> str:
    """The message for a key that no YAML file of this composition has: it is unknown, or must be added."""
    known = [*known_keys(Config), *cluster_keys()]
    if key in known:
        added = f"+{key}=<value>, or a key of a mapping as +{key}.<key>=<value>"
        return f"{key} is in no file of conf/ that this run uses: add it as {added}"
    stages = re.fullmatch(r"unfreeze\.stages\.(\w+)\.(\w+)", key)
    if stages and f"unfreeze.stages.<name>.{stages.group(2)}" in known:
        return f"unknown key {key}: this configuration has no stage {stages.group(1)} (see conf/unfreeze/)"
    return unknown_key(key, known)


def _key_parts(location: Sequence[str | int]) -> list[str]:
    """The parts of a key; pydantic adds the type that it tried and, below a union of sources, the source's name."""
    sources = _source_names()
    parts = []
    previous = ""
    for part in map(str, location):
        is_source = previous in ("data", "chromosomes") and part in sources
        if not is_source and not _UNION_MEMBER.match(part):
            parts.append(part)
        previous = part
    return parts


def _source_names() -> set[str]:
    models = _models(Config.model_fields["data"].annotation)
    return {name for model in models for name in _sources(model) or ()}


def _sources(model: type[BaseModel]) -> tuple[str, ...] | None:
    """The names of the sources that a member of a union of sources describes; None for another model."""
    field = model.model_fields.get("source")
    return get_args(field.annotation) if field else None


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models named anywhere in an annotation, such as a union or a dict; for a source, those of all sources."""
    if annotation is SourceConfig:
        return list(source_models().values())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    models = []
    for argument in get_args(annotation):
        models += _models(argument)
    return models
