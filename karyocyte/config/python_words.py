"""Errors in the words of a program: of ``data.positive_class=blast`` a command line, ``positive_class="blast"``."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from karyocyte.common.errors import UserError

CONSTANTS = {"true": "True", "false": "False", "null": "None"}
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")
VALUE = r"=(\[[^\]]*\]|\"[^\"]*\"|[\w./+-]*\w)"


@contextmanager
def in_python_words(arguments: Mapping[str, str]) -> Iterator[None]:
    """Let a ``UserError`` name arguments as a program gives them; ``arguments`` has that of each dotted key."""
    try:
        yield
    except UserError as error:
        raise UserError(python_words(str(error), arguments)) from error.__cause__


def python_words(text: str, arguments: Mapping[str, str]) -> str:
    """Return a message with Python's arguments in place of the keys of a command line; quotes of a shell go."""
    keys = "|".join(sorted(map(re.escape, arguments), key=len, reverse=True))

    def replaced(match: re.Match[str]) -> str:
        argument, value = arguments[match[2]], match[3]
        if value is None:  # a key of one word is an ordinary word without a value
            return match[1] + argument if "." in match[2] else match[0]
        return f"{argument}={_as_python(value)}"

    return re.sub(rf"('?)(?<![\w.+-])({keys})(?![\w.])(?:{VALUE}\1)?", replaced, text) if arguments else text


def _as_python(value: str) -> str:
    if value.startswith("["):
        return "[" + ", ".join(_as_python(each.strip()) for each in value[1:-1].split(",")) + "]"
    if value.startswith('"') or NUMBER.fullmatch(value):
        return value
    return CONSTANTS.get(value, f'"{value}"')
