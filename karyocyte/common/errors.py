"""The exceptions that are messages to the user."""

import difflib
import gc
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from traceback import format_exception
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from karyocyte.common.paths import ROOT
from karyocyte.common.text import one_line

if TYPE_CHECKING:
    from pydantic import ValidationError

Kind = TypeVar("Kind")
TRACEBACK_VARIABLE = "KARYOCYTE_TRACEBACK"


class UserError(Exception):
    """A mistake that the user can correct: one line that names the file, key or value, and the remedy.

    ``train.py`` and the scripts print it without a traceback and exit with code 1.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook (IPython) shows: the sentence, with the frames that lead to it on request."""
        return format_exception(self) if shows_traceback() else [f"{type(self).__name__}: {self}"]


class RepeatedError(UserError):
    """An error that another process of the same run reports: this one ends as well, and prints nothing."""


LISTED = 36  # names in an error message: room for the 32 of VGG16


def shows_traceback() -> bool:
    """Tell whether the user asks for the traceback of a mistake, too."""
    return os.environ.get(TRACEBACK_VARIABLE) == "1"


def first_line(error: BaseException) -> str:
    """Return a library's error in one line; a line that only announces the next is joined with it."""
    lines = list(filter(None, map(str.strip, str(error).splitlines()))) or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def first_fault(error: "ValidationError") -> str:
    """Say in which key pydantic has found the first mistake, and which."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"{key} is no key"
    return f"{key}: {first['msg']}"


def typed(kind: type[Kind], values: Any, where: str, remedy: str) -> Kind:
    """Return values as a dataclass or a model; a ``UserError`` says ``where`` the first mistake is, and the remedy."""
    from pydantic import TypeAdapter, ValidationError  # here: most command lines fail without it

    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise UserError(f"{where}: {first_fault(error)}: {remedy}") from error


def close_names(name: str, names: Sequence[str]) -> str:
    """Say in one line which names of modules could be meant: the closest, or else the upper modules."""
    if close := difflib.get_close_matches(name, names, n=4, cutoff=0.5):
        return f"close to it: {', '.join(close)}"
    upper = sorted(names, key=lambda other: (other.count("."), names.index(other)))
    return f"the names are: {', '.join(upper[:LISTED])}{', ...' * (len(upper) > LISTED)}"


def quiet_interrupts() -> None:
    """End this process without a traceback after Ctrl-C, also while it imports, and where a pipe is closed.

    The garbage collector goes ten times less often through what imports make, and through what a training does.
    """
    gc.set_threshold(10_000, 20, 20)
    sys.excepthook = _without_interrupts
    # A script of another checkout would run this code.
    script = Path(getattr(sys.modules["__main__"], "__file__", None) or ROOT).resolve()
    other = script.parent.parent
    if script.parent.name == "scripts" and other != ROOT and (other / "karyocyte").is_dir():
        sys.exit(f"error: this environment has the packages of {ROOT}: make setup in {other}, or use its environment")


def _without_interrupts(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)  # Python then exits by SIGINT: 130 in a shell
    elif issubclass(kind, BrokenPipeError) and _stdout_is_closed():
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what Python still flushes at its end
    else:
        sys.__excepthook__(kind, error, traceback)


def _stdout_is_closed() -> bool:
    """Whether the reader of a pipe that is stdout has gone."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLERR)
    return bool(poll.poll(0))
