"""Faults that a test injects: a disk that is full, a process that is killed."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from unittest.mock import patch

from tests.karyocyte.workflows.full_disk import disk_to_fill, fill_disk


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, so that what it has left stays."""


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file become larger than so many bytes; what is printed goes nowhere, since it may be kept in a file."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), disk_to_fill():
        fill_disk(size)
        yield


@contextmanager
def steps(stop: int | None = None) -> Iterator[list[str]]:
    """Yield a list that notes each step towards the disk: syncing, renaming; the process is killed in place of one."""
    noted: list[str] = []
    dead = []
    originals = {name: getattr(os, name) for name in ("fsync", "rename", "replace")}

    def step(name):
        def call(*arguments, **options):
            if dead or len(noted) == stop:
                dead.append(name)
                raise Killed
            noted.append(name)
            return originals[name](*arguments, **options)

        return call

    def if_alive(original):
        return lambda *arguments, **options: None if dead else original(*arguments, **options)

    with (
        patch.multiple(os, **{name: step(name) for name in originals}, unlink=if_alive(os.unlink)),
        patch.object(shutil, "rmtree", if_alive(shutil.rmtree)),
    ):
        yield noted
