"""Instances of the classes that conf/ names as ``{_target_: <module>.<class>, <argument>: ...}``."""

import difflib
import re
import sys
from collections.abc import Mapping
from functools import partial
from inspect import signature
from typing import Any, TypeVar

from karyocyte.common.errors import UserError, first_line

T = TypeVar("T")


def build(key: str, entry: Mapping[str, Any], kind: type[T], *arguments: Any, **offered: Any) -> T:
    """Return the instance of ``kind`` that an entry of conf/ describes.

    Args:
        key: The key of the entry, which an error names.
        entry: ``_target_`` and the arguments of the class.
        kind: The class that it must be.
        arguments: Come first.
        offered: Are passed on where the class has an argument of the name and the entry does not set it.

    Raises:
        UserError: There is no such class, it refuses its arguments, or it is not of this kind.
    """
    target = entry["_target_"]
    make = bound(key, entry)
    wrong = UserError(f"{key}: {target} is no {kind.__module__}.{kind.__name__}: name one in {key}._target_")
    if isinstance(make.func, type) and not issubclass(make.func, kind):
        raise wrong
    try:
        taken = offered.keys() & (signature(make.func).parameters.keys() - make.keywords.keys())
        instance = make(*arguments, **{name: offered[name] for name in taken})
    except Exception as error:  # constructors raise many kinds
        remedy = "correct its arguments"
        if isinstance(error, ImportError):
            remedy = "install its package, see the extra `loggers` in pyproject.toml"
        elif unknown := re.search(r"unexpected keyword argument '(\w+)'", str(error)):
            remedy = f"leave it out: '~{key}.{unknown[1]}'"
        raise UserError(f"{key}: {target}: {first_line(error)}; {remedy}") from error
    if not isinstance(instance, kind):
        raise wrong
    return instance


def bound(key: str, entry: Mapping[str, Any]) -> "partial[Any]":
    """Return the class or function that an entry of conf/ names, with its arguments; those that are entries are built.

    Raises:
        UserError: There is no such class or function.
    """
    from hydra import utils  # here: most commands build nothing

    target = entry["_target_"]
    # From version 1.4 on Hydra builds what trusted code allows: the packages that a training's configuration names,
    # which is its user's, and those of callable objects that are returned. Runs of others build nothing.
    allowed = {}
    if hasattr(utils, "execution_whitelist"):
        packages = {"albumentations", "torch", *_packages(entry)}
        allowed["_execution_whitelist_"] = [f"{name}.*" for name in sorted(packages)]
    try:
        found: partial[Any] = utils.instantiate({**entry, "_partial_": True, "_convert_": "all"}, **allowed)
    except Exception as error:  # Hydra wraps whatever an import raises
        remedy = f"correct {key}._target_: a module and the name in it, as in torch.optim.Adam"
        module, _, name = target.rpartition(".")
        if near := difflib.get_close_matches(name, dir(sys.modules.get(module)), n=3):
            remedy = f"did you mean {' or '.join(near)}?"
        raise UserError(f"{key}: {target}: {first_line(error.__cause__ or error)}; {remedy}") from error
    return found


def _packages(value: Any) -> set[str]:
    """The packages of the classes and functions that an entry names, and entries within it."""
    if isinstance(value, Mapping):
        named = {str(value["_target_"]).partition(".")[0]} if "_target_" in value else set()
        return named.union(*map(_packages, value.values()))
    return set().union(*map(_packages, value)) if isinstance(value, list | tuple) else set()
