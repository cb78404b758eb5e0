"""From Hydra's composition to the typed, frozen configuration."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError
from yaml import YAMLError

import common.config.resolvers  # noqa: F401 - what conf/sweep/folds.yaml counts with
from common.config.cluster import ClusterConfig, check_cluster, known_keys
from common.config.schema import Config
from common.errors import UserError
from common.sweeps.records import VARIABLE

_TRIED = re.compile(r"constrained-|tuple\[|function-")
KARYOGRAMS = ("karyograms", "composed_karyograms")  # sources of whole sheets
_TURNS = ("flips", "rotations", "mirror", "rotate", "bend")  # transforms that move a chromosome to another place
_FROM_RESOLVER = "UserError raised while resolving interpolation: "  # what OmegaConf puts before a message of ours
ADDED_GROUPS = ("experiment", "profile", "sweep", "search", "cluster")


def check_config(composed: DictConfig) -> Config:
    """Return the typed configuration, frozen from here on.

    Args:
        composed: What Hydra composed; interpolations are resolved here.

    Raises:
        UserError: A key is unknown (the nearest right ones are named), a value has the wrong type or range, an
            interpolation does not resolve, or values contradict one another.
    """
    try:
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(f"configuration: {str(error).splitlines()[0]}") from error
    _check_mode(check_cluster(values.pop("cluster", None)))  # where it runs is no part of what runs
    if "search" in values:
        raise UserError("+search is for a search over many runs: python scripts/tune.py +search=... +experiment=...")
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise UserError(explain(error)) from error
    _check_together(config)
    return config


def _check_mode(cluster: ClusterConfig) -> None:
    """Jobs are sent to a cluster by a multirun, or by a script of scripts/sbatch.py: else they would stay here."""
    single = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.RUN
    if cluster.name != "none" and single and VARIABLE not in os.environ:
        raise UserError(f"+cluster={cluster.name} is for the jobs of a multirun: add -m, python train.py -m ...")


def check_override_order(overrides: Sequence[str]) -> None:
    """Refuse ``+profile`` typed before ``+experiment``: Hydra would let the experiment overrule it in silence."""
    groups = [override.lstrip("+").split("=")[0] for override in overrides]
    if "profile" in groups and "experiment" in groups and groups.index("profile") < groups.index("experiment"):
        profile, experiment = (overrides[groups.index(name)] for name in ("profile", "experiment"))
        raise UserError(f"{profile} stands before {experiment} and would be overruled: type `{experiment} {profile}`")


@contextmanager
def explain_composition() -> Iterator[None]:
    """Turn what Hydra says of a mistyped override or a broken YAML file into one line.

    Raises:
        UserError: In place of Hydra's own errors.
    """
    try:
        yield
    except OverrideParseException as error:
        raise UserError(f"cannot read the override {error.override!r}: quote what the shell or Hydra takes") from error
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise UserError(_explain_hydra(error)) from error


def _explain_hydra(error: Exception) -> str:  # noqa: PLR0911
    """The gist of Hydra's message, with the nearest right names."""
    text = str(error.__cause__ if isinstance(error.__cause__, YAMLError) else error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(error, YAMLError) or isinstance(error.__cause__, YAMLError):
        return "a YAML file cannot be read: " + ", ".join(lines)
    if lines[0].startswith(_FROM_RESOLVER):
        return lines[0].removeprefix(_FROM_RESOLVER)
    wrong = re.search(r"Could not (?:find|override) '([^']+)'", lines[0])
    if wrong:
        name = wrong.group(1)
    else:
        name = ""
    if "Could not find" in lines[0]:
        choices = [line for line in lines[1:] if re.fullmatch(r"[\w.-]+", line)]
        near = difflib.get_close_matches(name.split("/")[-1], choices, n=3, cutoff=0.5) or choices
        return f"there is no {name.replace('/', '=')}: did you mean {' or '.join(near)}?"
    if "Could not override" in lines[0]:
        if name.startswith("cluster."):
            known = known_keys()
        else:
            known = _known_keys(name.split("."))
        if name in known:
            return f"{name} is in no file of conf/: add it as +{name}=<value>, or its keys as +{name}.<key>=<value>"
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known
        if name in ADDED_GROUPS:
            hint = " (groups are added with a +, such as +experiment=...)"
        else:
            hint = ""
        if not hint:
            return f"unknown key {name}: did you mean {' or '.join(near)}?"
        return f"unknown key {name}{hint}"
    return " ".join(lines[:2])


def explain(error: ValidationError, schema: type[BaseModel] = Config, node: str = "") -> str:
    """Return one line for the first fault of the configuration, with the number of the others.

    Args:
        error: What pydantic found.
        schema: The model that it tried.
        node: The key that the model stands at; "" for the whole configuration.
    """
    faults = error.errors()
    first = faults[0]
    if node:
        above = f"{node}."
    else:
        above = ""
    place = above + _key(first["loc"])
    if first["type"] == "extra_forbidden":
        known = [above + key for key in _known_keys(first["loc"], schema)]
        if "." in place:
            groups = []
        else:
            groups = [f"+{group}" for group in ADDED_GROUPS]
        near = difflib.get_close_matches(place, [*known, *groups], n=3, cutoff=0.6) or known
        text = f"unknown key {place}: did you mean {' or '.join(near)}?"
    elif first["type"] == "union_tag_invalid":
        text = f"{place}.source: {first['ctx']['tag']!r} is none of {first['ctx']['expected_tags']}"
    elif first["type"] == "missing":
        text = f"{place} is not said: add {place}=..."
    else:
        text = f"{place or 'configuration'}: {first['msg'].removeprefix('Value error, ')}"
        text += f" (found {first['input']!r})" if place and not isinstance(first["input"], Mapping) else ""
    if len(faults) > 1:
        others = f" ({len(faults) - 1} more)"
    else:
        others = ""
    return text + others


def _key(location: Sequence[str | int]) -> str:
    """The dotted key of a fault. Below ``data`` pydantic adds the source's name, which is no key."""
    # Of a key that takes a number or a pair, pydantic adds which of the two it tried.
    parts = [str(part) for part in location if not _TRIED.match(str(part))]
    if parts[:1] == ["data"] and len(parts) > 2:
        del parts[1]
    return ".".join(parts)


def _known_keys(location: Sequence[str | int], schema: type[BaseModel] = Config) -> list[str]:
    """The keys that would be right at the place of an unknown one, dotted."""
    models: list[type[BaseModel]] = [schema]
    prefix: list[str] = []
    for part in [str(part) for part in location[:-1]]:
        chosen = [model for model in models if part in _sources(model)]
        if chosen:  # pydantic names the member of the union of sources, which is no key
            models = chosen
        elif any(part in model.model_fields for model in models):
            models = [found for model in models for found in _members(model.model_fields[part].annotation)]
            prefix.append(part)
        else:  # the name of a stage
            prefix.append(part)
    return sorted({".".join([*prefix, name]) for model in models for name in model.model_fields})


def _sources(model: type[BaseModel]) -> tuple[str, ...]:
    """The name of the source that a member of the union of sources describes."""
    source = model.model_fields.get("source")
    if source is not None and source.annotation:
        return source.annotation.__args__
    return ()


def _members(annotation: Any) -> list[type[BaseModel]]:
    """The models named anywhere in an annotation, such as a union or a dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _members(argument)]


def _check_together(config: Config) -> None:
    """Rules over several groups, which no single model can know."""
    _check_karyograms(config)
    turns = config.transform.flips or config.transform.rotations
    if config.balance.name in ("paper", "hem_all") and not turns:
        adds = f"balance={config.balance.name} adds turned copies"
        raise UserError(f"{adds}: set transform.flips=true or transform.rotations=true")
    if config.head.logits == 1 and config.loss.label_smoothing > 0:
        raise UserError("loss.label_smoothing needs head.logits=2 (one output has no smoothed target): set one of them")
    if config.callbacks.check_and_adjust.enabled and config.scheduler.name != "none":
        raise UserError("callbacks.check_and_adjust sets the learning rate: set scheduler=none beside it")
    if config.callbacks.averaging.enabled and config.trainer.precision in ("16-true", "bf16-true"):
        raise UserError("callbacks.averaging is lost in 16-bit weights: set trainer.precision=32-true or a mixed one")


def _check_karyograms(config: Config) -> None:
    """What must not happen to whole karyograms, and what happens to nothing else."""
    source = config.data.source
    transform = config.transform
    if source in KARYOGRAMS:
        if config.prepare.fit == "canvas":
            takes = "prepare.fit=canvas takes one chromosome and turns it upright"
            raise UserError(f"{takes}, data.source={source} has whole karyograms: set prepare.fit=stretch or square")
        turned = [f"transform.{key}" for key in _TURNS if getattr(transform, key)]
        turned += ["inference.mirror"] if config.inference.mirror else []
        turned += [f"balance={config.balance.name}"] if config.balance.name in ("paper", "hem_all") else []
        if turned:
            if source == "karyograms":
                instead = "transform=karyograms, "
            else:
                instead = "transform.within_places, "
            raise UserError(
                f"{', '.join(turned)}: in a karyogram the place of each chromosome carries meaning (paper 001, 3.1.2), "
                f"so the sheet is not turned, mirrored or bent: use {instead}and leave this out"
            )
        moved = [f"transform.{key}" for key in ("stretch", "shift") if getattr(transform, key)]
        if moved:
            raise UserError(f"{', '.join(moved)} would lay black borders around the white sheet: leave this out")
    within = transform.within_places
    if within.rotate or within.mirror or within.bend:
        _check_within_places(config)


def _check_within_places(config: Config) -> None:
    """The places are known of composed karyograms alone, and only where the preparation moves nothing."""
    source = config.data.source
    prepare = config.prepare
    if source != "composed_karyograms":
        if source in KARYOGRAMS:
            why = "is not known in pictures of whole karyograms"
        else:
            why = "exists in karyograms alone"
        raise UserError(
            f"transform.within_places with data.source={source}: the place of a chromosome {why}: "
            "use data=composed_karyograms, or another transform"
        )
    if prepare.compact:
        raise UserError(
            "prepare.compact moves the chromosomes away from the places that transform.within_places changes them at: "
            "set data.sheet.pair_gap and data.sheet.row_gap instead"
        )
    if prepare.fit != "stretch" or prepare.crop:
        raise UserError(
            "transform.within_places needs prepare.fit=stretch and prepare.crop=false: "
            "a crop or a border would move the chromosomes away from their places"
        )
