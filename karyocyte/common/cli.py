"""What all command lines share: messages, warnings, exit codes."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console

from karyocyte.common.errors import RepeatedError, UserError, shows_traceback
from karyocyte.common.text import one_line

INTERRUPTED = 130  # the exit code after Ctrl-C

# Errors that concern no file of the program's own, and what helps.
OF_NO_FILE = {
    errno.ENOSPC: ": free some space, or write elsewhere",
    errno.EDQUOT: ": free some space, or write elsewhere",
    errno.EFBIG: ": raise the limit, ulimit -f unlimited",
    errno.EMFILE: ": raise the limit, ulimit -n 1024",
}

console = Console(highlight=False)


@contextmanager
def files_explained() -> Iterator[None]:
    """Turn a system error about a file, or a full disk, into a ``UserError`` of one line."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno not in OF_NO_FILE:
            raise
        remedy = OF_NO_FILE.get(error.errno or 0, "")
        raise UserError(f"{error.filename or 'the disk'}: {os.strerror(error.errno or 0)}{remedy}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Print nothing but warnings."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


@contextmanager
def report_user_errors() -> Iterator[None]:
    """Print a ``UserError``, or a system error about a file, in one line; exit with code 1, or 130 after Ctrl-C.

    What a terminal or log cannot show, such as a quotation mark where it is not UTF-8, becomes a question mark.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with files_explained():
            yield
    except UserError as error:
        if shows_traceback():
            raise
        if not isinstance(error, RepeatedError):
            print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


def say(title: str, *lines: str) -> None:
    """Print a bold title, and lines below it."""
    console.print(one_line(title), style="bold", markup=False, soft_wrap=True)
    for line in lines:
        console.print(f"  {one_line(line)}", markup=False, soft_wrap=True)


def warn(*lines: str) -> None:
    """Print each line as a warning."""
    for line in lines:
        console.print("[yellow]warning:[/yellow] ", end="")
        console.print(one_line(line), markup=False, soft_wrap=True)


warn_once = cache(warn)  # the same lines once in this process
