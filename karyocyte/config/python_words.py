"""Arguments of a program as keys, and errors in its words: ``positive_class="blast"``, not ``data.positive_class``."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import methodcaller
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic_core import to_jsonable_python

from karyocyte.common.errors import UserError, shows_traceback

CONSTANTS = {"true": "True", "false": "False", "null": "None"}
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")
WORD = re.compile(r"\"[^\"]*\"|[^\[\],]+")  # of a list, or the whole value
VALUE = r"=(\[[^\]]*\]|\"[^\"]*\"|[\w./+-]*\w)"


def set_keys(composed: DictConfig, values: Mapping[str, Any]) -> None:
    """Set dotted keys of a composed configuration to values of a program; numbers may be those of NumPy or torch.

    Raises:
        UserError: A value has no counterpart in a configuration.
    """
    for key, value in values.items():
        try:
            plain = to_jsonable_python(value, fallback=methodcaller("tolist"))
        except AttributeError:
            raise UserError(f"{key}={value!r}: give a number, a text, or a list or dict of them") from None
        OmegaConf.update(composed, key, plain, force_add=True)


@contextmanager
def in_python_words(arguments: Mapping[str, str]) -> Iterator[None]:
    """Let a ``UserError`` name arguments as a program gives them; ``arguments`` has that of each dotted key.

    Its sentence says what was wrong; the traceback of its cause, most of it Hydra's, is shown on request.
    """
    try:
        yield
    except UserError as error:
        raise type(error)(python_words(str(error), arguments)) from (error if shows_traceback() else None)


def python_words(text: str, arguments: Mapping[str, str]) -> str:
    """Return a message with Python's arguments in place of the keys of a command line; quotes of a shell go."""
    keys = "|".join(sorted(map(re.escape, arguments), key=len, reverse=True))

    def replaced(match: re.Match[str]) -> str:
        """Return the words of Python in place of a key, and of its value where it has one."""
        argument, value = arguments[match[2]], match[3]
        if value is None:  # a key of one word is an ordinary word without a value
            return match[1] + argument if "." in match[2] else match[0]
        return f"{argument}={WORD.sub(_as_python, value)}"

    return re.sub(rf"('?)(?<![\w.+-])({keys})(?![\w.])(?:{VALUE}\1)?", replaced, text) if arguments else text


def _as_python(word: re.Match[str]) -> str:
    is_python = word[0].startswith('"') or NUMBER.fullmatch(word[0])
    return word[0] if is_python else CONSTANTS.get(word[0], f'"{word[0]}"')
