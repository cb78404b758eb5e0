"""The defaults of the configuration: conf/*.yaml, read without Hydra."""

from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError

from common.errors import UserError
from common.paths import CONF


def group_defaults(group: str, option: str) -> dict[str, Any]:
    """Return the keys of one option of a config group, such as ``("data", "cnmc")``, with those it inherits.

    Raises:
        UserError: The group has no such option.
    """
    return _resolved(_load_option(group, option))


@cache
def section_defaults(section: str) -> dict[str, Any]:
    """Return the keys of a section of conf/, such as ``"data/cnmc"`` or ``"train:evaluation.triage"``.

    A value that refers to a key elsewhere in the configuration is left out.
    """
    file, _, key = section.partition(":")
    node: Any = OmegaConf.load(CONF / f"{file}.yaml")
    if key:
        node = OmegaConf.select(node, key)
    return _resolved(node)


def _load_option(group: str, option: str) -> DictConfig:
    path = CONF / group / f"{option}.yaml"
    if not path.is_file():
        options = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise UserError(f"there is no {group}={option}: the options are {options}")
    node: Any = OmegaConf.load(path)
    bases = [_load_option(group, base) for base in node.pop("defaults", [])]
    return DictConfig(OmegaConf.merge(*bases, node))


def _resolved(node: DictConfig) -> dict[str, Any]:
    values = {}
    for key in node:
        try:
            value = OmegaConf.select(node, str(key))
        except InterpolationKeyError:
            continue
        values[str(key)] = OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
    return values
