"""The jobs of one Hydra call: one in a single run, many in a multirun."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from karyocyte.common.cli import files_explained, report_user_errors, warn
from karyocyte.common.errors import UserError
from karyocyte.common.preemption import watched
from karyocyte.composition.compose import explain_composition
from karyocyte.config.distributed import started_world
from karyocyte.config.overrides import check_words, expand_home, primary_typed, quote_text
from karyocyte.runs import sweeps

failures: list[UserError] = []  # of a run or a batch of jobs: Hydra would announce one, or begin no more batches


@contextmanager
def job(kind: str = "run") -> Iterator[list[str]]:
    """Run a job's body: in a multirun its error is recorded, so that the other jobs go on.

    Yields the overrides that the user typed. ``kind`` is "run", or "search" for one that may be asked for more later.
    """
    hydra_config = HydraConfig.get()
    overrides = list(hydra_config.overrides.task)
    multirun = hydra_config.mode == RunMode.MULTIRUN
    first = started_world().is_first  # of the processes of a job
    try:
        with watched(first), sweeps.job_record(overrides, kind, first), files_explained():
            yield overrides
    except Exception as error:
        if multirun:  # the launcher reads the record, and says at the end what failed
            warn(f"this job failed: {error}")
            if not isinstance(error, UserError):
                traceback.print_exc()
        elif isinstance(error, UserError):
            failures.append(error)
        else:
            raise


@contextmanager
def command_line() -> Iterator[None]:
    """Call Hydra's main within: every user's error, in any job, ends as one line on stderr and exit code 1."""
    # Hydra then lets errors through, instead of printing its own page about them.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    failures.clear()
    with report_user_errors(), explain_composition(primary_typed()):
        check_words(sys.argv[1:])
        sys.argv = list(map(quote_text, map(expand_home, sys.argv)))
        yield
        if failures:
            raise failures[0]
