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


def check_chosen_groups(jobs: Sequence[Sequence[str]]) -> None:
    """Refuse groups typed beside ``+experiment`` where the experiment sets keys of them that no other override sets.

    Hydra puts the keys of an experiment on top of whatever option is chosen: ``unfreeze=head_only`` would keep the
    experiment's stage of fine-tuning. ``jobs`` are the overrides of each job of a command line. The ``UserError`` shows
    what to type so that the groups win whole: words for all jobs, or the command of one where no words fit all.
    """
    needed = [_remedies(job) for job in jobs]
    every = dict.fromkeys(remedy for of_job in needed for remedy in of_job)
    if not every:
        return
    first = next(number for number, of_job in enumerate(needed) if of_job)
    words = list(dict.fromkeys(needed[first].values()))
    chosen = " and ".join(words)
    mixed = f"{chosen} would be mixed with keys of {_experiment(jobs[first])}"
    same_groups = len({tuple(_chosen(job)) for job in jobs}) == 1
    if same_groups and all(remedy in of_job for of_job in needed for remedy in every if remedy.startswith("~")):
        remedies = f"add {shlex.join(every)} so that {chosen} wins whole"
    else:  # what is deleted must be there
        command = shlex.join(["python", "train.py", *jobs[first], *needed[first]])
        remedies = f"the experiments differ in these keys, so train one at a time, such as `{command}`"
    raise UserError(f"{mixed}: {remedies}, or give these keys the values that you want")


def _experiment(job: Sequence[str]) -> str | None:
    """Return the override that names the experiment."""
    return next((word for word in job if key_of(word) == "experiment"), None)


def _chosen(job: Sequence[str]) -> list[str]:
    """Return the overrides that choose an option of a group."""
    return [word for word in job if key_of(word) in GROUPS and not word.startswith("~")]


def _remedies(job: Sequence[str]) -> dict[str, str]:
    """Return the overrides that let the chosen groups of a job win whole, each with the word that chooses the group."""
    experiment = _experiment(job)
    remedies: dict[str, str] = {}
    for word in _chosen(job) if experiment else ():
        for key, remedy in _keys_in_the_way(str(experiment), word):
            if not _is_typed(key, job):
                remedies[remedy] = word
    return remedies


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
