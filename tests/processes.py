"""Processes of their own that import nothing: they are forked from one that has imported all, which is started once.

The imports of a training take seconds of CPU time; only where a test is about them is an interpreter started anew.
"""

import os
import sys
from collections.abc import Callable
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

SECONDS = 600  # that a process may take at most


@cache
def _context() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    return context


def start(output: Path, environment: dict[str, str], work: Callable[..., object], *arguments: object) -> BaseProcess:
    """Start a process that calls ``work``, a function of a module, and writes what it prints into a file."""
    process = _context().Process(target=_call, args=(output, environment, work, *arguments))
    process.start()
    return process


def exit_code(process: BaseProcess, seconds: float = SECONDS) -> int:
    """Wait for the end of a process; return its exit code, or minus the signal that has ended it.

    Raises:
        TimeoutError: It takes too long, and was killed.
    """
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{process.name} has not ended in {seconds:g} s")
    return process.exitcode


def _call(output: Path, environment: dict[str, str], work: Callable[..., object], *arguments: object) -> None:
    with open(output, "wb") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    os.environ.update(environment)
    work(*arguments)
