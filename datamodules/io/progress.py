"""The one progress bar of the preparation."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from karyocyte.common.system import processors

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_ADVANCE = 8  # items per thread that are begun or done before the first result is taken
LONG = 2000  # below this many images a bar is shown on a terminal only


def threaded(
    work: Callable[[Item], Result], items: Iterable[Item], count: int, description: str, progress: bool
) -> Iterator[Result]:
    """Yield ``work(item)`` of ``count`` items as `in_threads` does, with a `progress_bar`."""
    with progress_bar(count, description, progress) as advance:
        for result in in_threads(work, items):
            yield result
            advance()


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield ``work(item)`` in the order of the items, from a thread per processor; few items are taken in advance.

    Decoding, hashing and resizing release the interpreter's lock, so threads are enough. When the caller stops early,
    or ``work`` raises, what has not begun is dropped.
    """
    pool = ThreadPoolExecutor(processors())
    most = IN_ADVANCE * processors()
    running: deque[Future[Result]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) == most:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def progress_bar(count: int | None, description: str, progress: bool) -> Iterator[Callable[..., None]]:
    """Show a progress bar on stderr, and yield a function that advances it (by one).

    Where stderr is no terminal, a short task shows none, nor one whose ``count`` is not known.
    """
    console = Console(stderr=True)
    shown = progress and count != 0 and (console.is_terminal or (count or 0) >= LONG)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not shown) as bar:
        task = bar.add_task(description, total=count)
        yield lambda count=1: bar.advance(task, count)
