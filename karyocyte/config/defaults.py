"""The defaults of the configuration: conf/*.yaml, composed by Hydra, and sections of single files."""

from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError

from karyocyte.common.paths import CONF


def composition(*overrides: str) -> DictConfig:
    """Return what Hydra composes of conf/train.yaml and overrides, not validated; equal ones are composed once."""
    if any(override.startswith("+tuned") for override in overrides):  # its file may be written meanwhile
        return _compose.__wrapped__(CONF, overrides)
    return deepcopy(_compose(CONF, overrides))


@cache
def _compose(conf: Path, overrides: tuple[str, ...]) -> DictConfig:
    from hydra import compose, initialize_config_dir  # here: most commands read single sections only
    from hydra.core.global_hydra import GlobalHydra

    if GlobalHydra.instance().is_initialized():  # within hydra.main, whose folders it uses
        return compose("train", list(overrides))
    with initialize_config_dir(str(conf), version_base="1.3"):
        return compose("train", list(overrides))


@cache
def section_defaults(section: str) -> dict[str, Any]:
    """Return the keys of a section of conf/, such as ``"data/cnmc"`` or ``"train:evaluation.triage"``.

    A value that refers to a key elsewhere in the configuration is left out.
    """
    file, _, key = section.partition(":")
    node: Any = _load(file)
    if key:
        node = OmegaConf.select(node, key)
    return _resolved(node)


@cache  # each section of conf/train.yaml asks for it: 0.3 s of every start
def _load(name: str) -> DictConfig:
    loaded = OmegaConf.load(CONF / f"{name}.yaml")
    assert isinstance(loaded, DictConfig)
    return loaded


def _resolved(node: DictConfig) -> dict[str, Any]:
    values = {}
    for key in map(str, node):
        with suppress(InterpolationKeyError):
            value = OmegaConf.select(node, key)
            values[key] = OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
    return values
