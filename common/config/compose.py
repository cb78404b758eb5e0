"""From Hydra's composition, or from keys of a section, to the typed, frozen configuration."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from traceback import extract_tb
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel
from yaml import YAMLError

from common.config.cluster import SWEEP_VARIABLE, LocalConfig, SlurmConfig, check_cluster
from common.config.defaults import composition, stage_names
from common.config.explain import (
    NEAREST,
    Model,
    known_keys,
    operation_keys,
    resolved,
    unknown_key,
    validated,
)
from common.config.overrides import check_words, quote_path
from common.config.rules import check_rules
from common.config.schema import Config
from common.errors import UserError

_FROM_RESOLVER = "UserError raised while resolving interpolation: "  # what OmegaConf puts before a message of ours
GIVEN_FOLDS = {"cnmc": 3, "hem_all": 3}  # the folds that C-NMC's training images come with
_DECISIVE_KEYS = ("experiment", "profile", "data", "protocol", "split")  # the number of folds depends on these
_REMEDY = "type the folds yourself, such as 'split.fold=range(0,5)'"


def compose_config(overrides: Sequence[str]) -> Config:
    """Return the configuration that ``python train.py`` would train with these overrides: composed and checked."""
    return check_config(compose_overrides(overrides))


def compose_overrides(overrides: Sequence[str]) -> DictConfig:
    """Return what Hydra composes from conf/ and the overrides, not validated yet.

    Raises:
        UserError: An override cannot be read, or names an unknown key.
    """
    check_words(overrides)
    check_override_order(overrides)
    with explain_composition():
        return composition(*map(quote_path, overrides))


def check_config(composed: DictConfig) -> Config:
    """Return the typed configuration, frozen from here on, of what Hydra composed.

    Raises:
        UserError: A key is unknown (the nearest right ones are named), a value has the wrong type or range, an
            interpolation does not resolve, or values contradict one another.
    """
    values = resolved(composed, "configuration")
    cluster = check_cluster(values.pop("cluster", None))  # where a run is trained is no part of the run
    single = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.RUN
    if cluster.name != "none" and single and SWEEP_VARIABLE not in os.environ:
        raise UserError(f"+cluster={cluster.name} is for the jobs of a multirun: add -m, python train.py -m ...")
    if "search" in values:
        raise UserError("+search is for a search over many runs: python scripts/tune.py +search=... +experiment=...")
    config = validated(Config, values)
    check_rules(config)
    return config


def typed_section(
    model: type[Model], defaults: Mapping[str, Any], values: Model | Mapping[str, Any], section: str
) -> Model:
    """Return a section as its typed model; ``values``: the section itself, or the keys that differ from the defaults.

    A ``UserError`` names ``section`` and the key that is unknown or does not fit.
    """
    if isinstance(values, model):
        return values
    changes = {}
    for key, value in dict(values).items():
        changes[key] = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    merged = OmegaConf.merge(dict(defaults), changes)
    return validated(model, OmegaConf.to_container(merged, resolve=True), section)


def check_override_order(overrides: Sequence[str]) -> None:
    """Refuse ``+profile`` before ``+experiment``, and ``+tuned`` before either: Hydra would overrule it silently."""
    groups = [override.lstrip("+").split("=")[0] for override in overrides]
    typed = [overrides[groups.index(name)] for name in ("experiment", "profile", "tuned") if name in groups]
    for first, second in pairwise(typed):
        if overrides.index(second) < overrides.index(first):
            raise UserError(f"{second} precedes {first} and would be overridden: type `{first} {second}`")


@contextmanager
def explain_composition() -> Iterator[None]:
    """Turn what Hydra says of a wrong override or a broken YAML file into a ``UserError`` of one line."""
    try:
        yield
    except OverrideParseException as error:
        raise UserError(f"cannot read the override {error.override!r}: quote what the shell or Hydra takes") from error
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise UserError(_explain_hydra(error)) from error
    except (ValueError, AssertionError) as error:
        # Hydra's own checks of overrides such as data=1 and +=; those of any other code are mistakes of ours.
        if Path(extract_tb(error.__traceback__)[-1].filename).parent.name not in ("_internal", "core"):
            raise
        reason = " ".join(str(error).split()) or "a key is empty"
        raise UserError(
            f"an override cannot be read ({reason}): a group takes the name of a file, data=cnmc"
        ) from error


def _explain_hydra(error: Exception) -> str:
    if isinstance(error, YAMLError) or isinstance(error.__cause__, YAMLError):
        return "a YAML file cannot be read: " + ", ".join(str(error.__cause__ or error).split("\n"))
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    name = "".join(re.findall(r"'([^']+)'", lines[0])[:1])
    if lines[0].startswith(_FROM_RESOLVER):
        return lines[0].removeprefix(_FROM_RESOLVER)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        options = list(error.options or ())
        near = difflib.get_close_matches(option, options, n=NEAREST, cutoff=0.5) or options[:NEAREST]
        others = ""
        if group == "model":
            others = "; any other network of timm: model.name=<name>"
        return f"there is no {group}={option}: did you mean {' or '.join(near)}? (conf/{group}/ has them all{others})"
    if lines[0].startswith("Ambiguous value"):
        return f"{name} names several values: add -m to train one run for each, python train.py -m ..."
    if lines[0].startswith("Could not override"):
        return _not_composed(name)
    return " ".join(lines[:2])


def _not_composed(key: str) -> str:
    """The message for a key that no YAML file of this composition has: it is unknown, or must be added."""
    known = known_keys(Config) + operation_keys(key)
    known += known_keys(LocalConfig, "cluster") + known_keys(SlurmConfig, "cluster")
    if key in known:
        added = f"+{key}=<value>, or a key of a mapping as +{key}.<key>=<value>"
        return f"{key} is in no file of conf/ that this run uses: add it as {added}"
    stages = re.fullmatch(r"unfreeze\.stages\.(\w+)\.(\w+)", key)
    if stages and f"unfreeze.stages.<name>.{stages.group(2)}" in known:
        name, setting = stages.groups()
        others = sorted(stage_names() - {name})
        near = difflib.get_close_matches(name, others, n=1)
        meant = "see conf/unfreeze/"
        if near:
            meant = f"did you mean unfreeze.stages.{near[0]}.{setting}?"
        return f"unknown key {key}: this configuration has no stage {name}: {meant}"
    return unknown_key(key, known)


def all_folds(*, _root_: DictConfig) -> int:
    """Return the number of folds of the one data set that all jobs of a sweep share: ``${all_folds:}`` in conf/sweep.

    Raises:
        UserError: The jobs may differ in it, the images must be read to know it, or there are no folds.
    """
    overrides = OverridesParser.create().parse_overrides(list(_root_.hydra.overrides.task))
    if any(override.key_or_group == "split.fold" for override in overrides):
        return 1  # it is overridden
    swept = [override.get_key_element() for override in overrides if override.is_sweep_override()]
    for key in (*swept, *_root_.hydra.sweeper.params):
        name = key.lstrip("+~")
        if name != "split.fold" and name.split(".")[0] in _DECISIVE_KEYS:
            raise UserError(f"{key} may change the number of folds from job to job: {_REMEDY}")
    data = _root_.data
    if _root_.split.test != "fold":
        raise UserError(f"split.test={_root_.split.test} is one given part without folds: set split.test=fold")
    if _root_.protocol == "subject" and data.get("part_column"):
        raise UserError(f"only the table knows its folds (data.part_column={data.part_column}): {_REMEDY}")
    folds = int(_root_.split.folds)
    if _root_.protocol == "subject":
        return GIVEN_FOLDS.get(data.source, folds)
    return folds


def protocol_for(*keys: str | None) -> str:
    """Return the protocol of own images: "subject" where a key names subjects or given parts, else "image".

    It is ``${protocol_for:...}`` in conf/data_set.
    """
    return "image" if all(key is None for key in keys) else "subject"


OmegaConf.register_new_resolver("all_folds", all_folds, replace=True)
OmegaConf.register_new_resolver("protocol_for", protocol_for, replace=True)
