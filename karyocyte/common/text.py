"""Words of messages, and text that must not act: on a terminal, in a spreadsheet."""

import re
from collections.abc import Mapping
from typing import Any

_BEGINNINGS = "=+-@\t\r\n＝＋－＠"  # the last four are their full-width forms
_FORMULA = re.compile(f"'*[{re.escape(_BEGINNINGS)}]")
_HARMLESS = re.compile(r"-|[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_LOGGED = {"acc": "accuracy", "auc": "AUC", "f1": "F1", "f1_weighted": "weighted F1", "lr": "learning rate"}
_ESCAPED = re.compile(f"'+[{re.escape(_BEGINNINGS)}]")


def counted(count: int, name: str) -> str:
    """Write a number of things: "1 cell", "2 cells"."""
    return f"{count:,} {name}{'s' * (count != 1)}"


def natural_key(text: str) -> list[Any]:
    """Return a sort key by which "cell2" precedes "cell10": pieces of text, each but the last before a number."""
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", text)]


def one_line(text: str) -> str:
    """Return a text with line breaks and other control characters as escapes: names of files may steer a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def escape_formula(value: Any) -> Any:
    """Return a text that a spreadsheet would run as a formula, such as "=cmd()", with an apostrophe before it.

    By OWASP's advice on CSV injection. Other values stay as they are, and so do numbers that are written as text.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _HARMLESS.fullmatch(value):
        return f"'{value}"
    return value


def unescape_formula(value: Any) -> Any:
    """Return what ``escape_formula`` was given."""
    if isinstance(value, str) and _ESCAPED.match(value):
        return value[1:]
    return value


def metric_in_words(name: str) -> str:
    """Return the name in words of what a training logs or monitors: "weighted F1" of "val/f1_weighted"."""
    name = name.removeprefix("val/")
    return _LOGGED.get(name, name.replace("_", " "))


def quoted(name: str) -> str:
    """Write the name of a class in a sentence: “all” is no quantifier then."""
    return f"“{name}”"


def class_sizes(counts: Mapping[str, int]) -> str:
    """Write the images of each class: "3 “hem”, 5 “all”"."""
    return ", ".join(f"{count:,} {quoted(name)}" for name, count in counts.items())
