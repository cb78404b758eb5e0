"""The jobs of one Hydra call: one in a single run, many in a multirun."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode

from common.cli import files_explained, report_user_errors
from common.config import explain_composition
from common.console import warn
from common.errors import UserError

PATH_KEYS = ("init_from", "weights", "data_dir", "output_dir", "cache_dir", "data.file")
PATTERN_KEYS = ("data.subject_regex", "data.cell_regex")

_failed: list[tuple[str, Exception]] = []


@contextmanager
def job() -> Iterator[list[str]]:
    """Run a job's body: its error is noted for the end, so that the other jobs of a multirun go on.

    Hydra itself would print a page around the error and end the multirun. Yields the overrides that the user typed.
    """
    hydra_config = HydraConfig.get()
    overrides = list(hydra_config.overrides.task)
    try:
        with files_explained():
            yield overrides
    except Exception as error:
        multirun = hydra_config.mode == RunMode.MULTIRUN
        if not multirun and not isinstance(error, UserError):
            raise
        _failed.append((" ".join(overrides), error))
        if multirun:
            warn(f"this job failed: {error}")
            if not isinstance(error, UserError):
                traceback.print_exc()


@contextmanager
def command_line() -> Iterator[None]:
    """Call Hydra's main within: every user's error ends as one line on stderr and exit code 1.

    Raises:
        SystemExit: With code 1, after a user's error in any job.
    """
    # Hydra then lets errors through, instead of printing its own page about them.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    _failed.clear()
    sys.argv = [quote_path(argument) for argument in sys.argv]
    with report_user_errors(), explain_composition():
        yield
        if len(_failed) == 1 and isinstance(_failed[0][1], UserError):
            raise _failed[0][1]
        if _failed:
            what = " | ".join(f"{name}: {error}" for name, error in _failed)
            raise UserError(f"{len(_failed)} of the jobs failed: {what}")


def quote_path(argument: str) -> str:
    """Quote the value of an override that is a path or a pattern, where Hydra's grammar cannot read it bare.

    Every run's folder holds a ``=`` (``seed=0``), a path may hold blanks and brackets; a shell strips the quotes that
    one types. Values that Hydra reads as they are stay as they are; in a multirun, each one of a list is quoted.
    """
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in (*PATH_KEYS, *PATTERN_KEYS) or _readable(argument):
        return argument
    pieces = value.split(",") if "-m" in sys.argv or "--multirun" in sys.argv else [value]
    quoted = ",".join('"' + piece.replace('"', '\\"') + '"' for piece in pieces)
    return f"{key}={quoted}" if _readable(f"{key}={quoted}") else argument


def _readable(argument: str) -> bool:
    """Whether Hydra's grammar takes the override."""
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True
