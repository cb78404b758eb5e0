"""The defaults of the configuration: conf/*.yaml, composed by Hydra, and sections of single files."""

from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationKeyError

from karyocyte.common.errors import UserError
from karyocyte.common.installed import conf_file, entries
from karyocyte.common.paths import CONF


def composition(*overrides: str, primary: str = "train") -> DictConfig:
    """Return what Hydra composes of a primary configuration and overrides, not validated; equal ones are composed once.

    ``primary`` is ``train``, of a classifier, or the name of another kind of network; see `with_recipe`.
    """
    return with_recipe(deepcopy(_compose(CONF, primary, overrides)), primary)


def with_recipe(composed: DictConfig, primary: str) -> DictConfig:
    """Return what Hydra composed of a primary configuration with the kind of network that its name says: ``recipe``.

    Raises:
        UserError: There is no such kind, or the key was typed.
    """
    if primary not in primaries():
        raise UserError(f"--config-name {primary}: choose one of {', '.join(primaries())}")
    if "recipe" in composed:
        raise UserError(f"recipe: name the network by --config-name, one of {', '.join(primaries())}")
    with open_dict(composed):
        composed.recipe = "classifier" if primary == "train" else primary
    return composed


def primaries() -> list[str]:
    """Return the names of the primary configurations: ``train``, and those of other kinds of networks."""
    return ["train", *entries("configurations")]


@cache
def _compose(conf: Path, primary: str, overrides: tuple[str, ...]) -> DictConfig:
    from hydra import compose, initialize_config_dir  # here: most commands read single sections only
    from hydra.core.global_hydra import GlobalHydra

    if GlobalHydra.instance().is_initialized():  # within hydra.main, whose folders it uses
        return compose(primary, list(overrides))
    with initialize_config_dir(str(conf), version_base="1.3"):
        return compose(primary, list(overrides))


@cache
def section_defaults(section: str) -> dict[str, Any]:
    """Return the keys of a section of conf/, such as ``"data/cnmc"`` or ``"train:evaluation.triage"``.

    A value that refers to a key elsewhere in the configuration is left out.
    """
    file, _, key = section.partition(":")
    node: Any = _load(file)
    if key:
        node = OmegaConf.select(node, key)
    values = {}
    for name in map(str, node):
        with suppress(InterpolationKeyError):
            value = OmegaConf.select(node, name)
            values[name] = OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
    return values


@cache  # each section of conf/train.yaml asks for it: 0.3 s of every start
def _load(name: str) -> DictConfig:
    """Return the keys of a file of conf/, and of those beside it that its defaults list includes whole."""
    own = OmegaConf.load(conf_file(name))
    assert isinstance(own, DictConfig)
    listed = own.pop("defaults", [])
    whole = [str(Path(name).with_name(entry)) for entry in listed if isinstance(entry, str) and entry != "_self_"]
    merged = OmegaConf.merge(*map(_load, whole), own)
    assert isinstance(merged, DictConfig)
    return merged
