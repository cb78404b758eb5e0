"""Groups typed beside ``+experiment``: what is chosen on the command line wins whole, or is refused."""

import json
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
    experiment's stage of fine-tuning. The ``UserError`` says what to add.
    """
    experiment = next((word for word in overrides if key_of(word) == "experiment"), None)
    for word in overrides if experiment else ():
        if key_of(word) not in GROUPS or word.startswith("~"):
            continue
        mixed = [each for each in _keys_in_the_way(str(experiment), word) if not _is_typed(key_of(each), overrides)]
        if mixed:
            keys = f"add {shlex.join(mixed)}, or give these keys the values that you want"
            raise UserError(f"{word} would be mixed with keys of {experiment}: {keys}")


def _keys_in_the_way(experiment: str, word: str) -> Iterator[str]:
    """Yield what undoes each key of a group that an experiment sets otherwise than the chosen option."""
    group = key_of(word)
    try:
        both = OmegaConf.to_container(composition(experiment, word)[group])
        alone = OmegaConf.to_container(composition(word)[group])
    except (HydraException, OmegaConfBaseException, YAMLError):
        return  # explained where all overrides are composed
    yield from _differences(group, both, alone)


def _differences(key: str, both: Any, alone: Any) -> Iterator[str]:
    """Yield the overrides that undo in what ``both`` differs from ``alone``, from ``key`` on."""
    if not isinstance(both, Mapping) or not isinstance(alone, Mapping):
        if both != alone:
            yield f"{key}={json.dumps(alone)}"
        return
    for name, value in both.items():
        yield from _differences(f"{key}.{name}", value, alone[name]) if name in alone else (f"~{key}.{name}",)


def _is_typed(key: str, overrides: Sequence[str]) -> bool:
    """Tell whether an override sets the key, or one below it, or deletes it with ``~``, or one above it."""
    for word in overrides:
        typed = key_of(word)
        deleted = word.startswith("~") and key.startswith(f"{typed}.")
        if typed == key or typed.startswith(f"{key}.") or deleted:
            return True
    return False
