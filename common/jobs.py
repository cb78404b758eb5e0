"""The jobs of one Hydra call: one in a single run, many in a multirun."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from common.cli import report_user_errors
from common.config import explain_composition
from common.console import warn
from common.errors import UserError

_failed: list[tuple[str, UserError]] = []


@contextmanager
def job() -> Iterator[list[str]]:
    """Run a job's body: a user's error is noted for the end, so that the other jobs of a multirun go on.

    Hydra itself would print a page around the error and end the multirun. Yields the overrides that the user typed.
    """
    hydra_config = HydraConfig.get()
    overrides = list(hydra_config.overrides.task)
    try:
        yield overrides
    except UserError as error:
        _failed.append((" ".join(overrides), error))
        if hydra_config.mode == RunMode.MULTIRUN:
            warn(f"this job failed: {error}")


@contextmanager
def command_line() -> Iterator[None]:
    """Call Hydra's main within: every user's error ends as one line on stderr and exit code 1.

    Raises:
        SystemExit: With code 1, after a user's error in any job.
    """
    # Hydra then lets errors through, instead of printing its own page about them.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    _failed.clear()
    with report_user_errors(), explain_composition():
        yield
        if len(_failed) == 1:
            raise _failed[0][1]
        if _failed:
            raise UserError(f"{len(_failed)} jobs failed: " + " | ".join(f"{name}: {error}" for name, error in _failed))
