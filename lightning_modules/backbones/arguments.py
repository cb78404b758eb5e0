"""Whether a network takes the arguments of ``model.args``."""

import dis
import inspect
from collections.abc import Mapping
from itertools import pairwise
from types import CodeType
from typing import Any

import timm

from karyocyte.common.errors import UserError
from karyocyte.config.explain import did_you_mean
from lightning_modules.backbones.backbone import OTHER_KEYS

# Arguments of the classifier of a timm network, in whose place is our head.
OF_CLASSIFIER = ("num_classes", "global_pool", "drop_rate")


def check_model_args(name: str, args: Mapping[str, Any]) -> None:
    """Refuse arguments of timm's classifier, and those that a network of one's own takes by ``**kwargs`` and ignores.

    Raises:
        UserError: It names ``head.layers``, which replaces the classifier, or the arguments of the network.
    """
    for key in OF_CLASSIFIER:
        if key in args:
            layer = f": put {{dropout: {args[key]}}} there" if key == "drop_rate" else ""
            raise UserError(f"model.args.{key}: leave it out: head.layers replaces timm's classifier{layer}")
    _check_names(name, args)


def _check_names(name: str, args: Mapping[str, Any]) -> None:
    function = _function(name)
    spec = inspect.getfullargspec(function)
    named = [key for key in spec.args + spec.kwonlyargs if key not in (*OTHER_KEYS, "self")]
    reads_more = any(spec.varkw in step.argrepr.split(", ") for step in dis.get_instructions(function))
    unused = [key for key in args if key not in named]
    if reads_more:
        unused = _misspelt(unused, named, _looked_up(function.__code__))
    if unused and _takes_any_argument(name, args):
        taken = ", ".join(map("model.args.{}".format, named)) or "none"
        unknown = f"unknown key model.args.{unused[0]}: {did_you_mean(unused[0], named)}".rstrip()
        raise UserError(f"{unknown} {name} takes {taken}")


def _function(name: str) -> Any:
    """Return what makes a network: a function, or of a class its ``__init__``."""
    made_by: Any = timm.model_entrypoint(name)
    return made_by.__init__ if isinstance(made_by, type) else made_by  # type: ignore[misc]  # of this very class


def _misspelt(keys: list[str], named: list[str], looked_up: set[Any]) -> list[str]:
    """Return keys that are like a named argument and that a function does not look up."""
    return [key for key in keys if key not in looked_up and did_you_mean(key, named)]


def _looked_up(code: CodeType) -> set[Any]:
    """Return the constants that a function and those within it load, alone or in a tuple, but no names of keywords."""
    found: set[Any] = set()
    for step, following in pairwise(dis.get_instructions(code)):
        if isinstance(step.argval, CodeType):
            found |= _looked_up(step.argval)
        elif step.opname == "LOAD_CONST" and following.opname != "CALL_KW":  # of Python 3.13
            found.update(step.argval if isinstance(step.argval, tuple | frozenset) else {step.argval})
    return found


def _takes_any_argument(name: str, args: Mapping[str, Any]) -> bool:
    try:
        timm.create_model(name, **args, argument_of_no_network=True)
    except Exception:  # as it should be; each network refuses in its own way
        return False
    return True
