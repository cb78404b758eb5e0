"""Groups typed beside ``+experiment``: what is chosen on the command line wins whole, or is refused."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from karyocyte.common.errors import UserError
from karyocyte.config.defaults import composition
from karyocyte.config.overrides import key_of

GROUPS = ("model", "unfreeze", "balance", "transform", "optimizer", "scheduler", "loss")


def check_chosen_groups(overrides: Sequence[str]) -> None:
    """Refuse groups typed beside ``+experiment`` where the experiment sets keys of them that no other override sets.

    Hydra puts the keys of an experiment on top of whatever option is chosen: ``unfreeze=head_only`` would keep the
    experiment's stage of fine-tuning. The ``UserError`` shows what to type so that the groups win whole.
    """
    experiment = next((word for word in overrides if key_of(word) == "experiment"), None)
    remedies: dict[str, str] = {}  # each with the word that chooses the group
    for word in overrides if experiment else ():
        if key_of(word) in GROUPS and not word.startswith("~"):
            found = _keys_in_the_way(str(experiment), word)
            remedies |= {remedy: word for key, remedy in found if not _is_typed(key, overrides)}
    if remedies:
        chosen = " and ".join(dict.fromkeys(remedies.values()))
        raise UserError(
            f"{chosen} would be mixed with keys of {experiment}: add {shlex.join(remedies)} so that {chosen} wins "
            "whole, or give these keys the values that you want"
        )


def _keys_in_the_way(experiment: str, word: str) -> Iterator[tuple[str, str]]:
    """Yield each key of a group that an experiment sets otherwise than the chosen option, with what undoes it."""
    group = key_of(word)
    try:
        both = OmegaConf.to_container(composition(experiment, word)[group])
        alone = OmegaConf.to_container(composition(word)[group])
    except (HydraException, OmegaConfBaseException, YAMLError):
        return  # explained where all overrides are composed
    yield from _differences(group, both, alone)


def _differences(key: str, both: Any, alone: Any) -> Iterator[tuple[str, str]]:
    """Yield the keys from ``key`` on in which ``both`` differs from ``alone``, with the override that undoes it."""
    if not isinstance(both, Mapping) or not isinstance(alone, Mapping):
        if both != alone:
            yield key, f"{key}={_as_typed(alone)}"
        return
    for name, value in both.items():
        if name in alone:
            yield from _differences(f"{key}.{name}", value, alone[name])
        else:
            yield f"{key}.{name}", f"~{key}.{name}"


def _as_typed(value: Any) -> str:
    """Return a value as Hydra's grammar reads it."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.]*", value):
        return value
    return json.dumps(value)


def _is_typed(key: str, overrides: Sequence[str]) -> bool:
    """Tell whether an override sets the key, or one below it, or deletes it with ``~``, or one above it."""
    for word in overrides:
        typed = key_of(word)
        deleted = word.startswith("~") and key.startswith(f"{typed}.")
        if typed == key or typed.startswith(f"{key}.") or deleted:
            return True
    return False
