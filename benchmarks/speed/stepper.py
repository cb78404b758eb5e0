"""A process that takes one step at a time, so that alternatives with different processes can be timed in turn."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

PATIENCE = 10.0  # seconds that a step which nobody waits for may still take


class Pace:
    """Within the process: waits before each step until it is asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.begin()

    def begin(self) -> None:
        """The step begins here: what came before is not counted."""
        self._started = time.process_time()

    def end(self) -> None:
        """The step ends here; wait until the next one is asked for.

        Raises:
            SystemExit: No further step is wanted.
        """
        self._connection.send(time.process_time() - self._started)
        try:
            self._connection.recv()
        except EOFError:
            raise SystemExit from None
        self.begin()


class Stepper:
    """A new process, with nothing of this one in its memory, that steps when it is called.

    ``loop`` runs in the process, with a `Pace` and ``args``, and calls ``pace.end`` after each step.
    """

    def __init__(self, loop: Callable[..., None], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_run, args=(loop, other, *args), daemon=True)
        self._process.start()
        other.close()
        self._first = True

    def __call__(self) -> float:
        """Take a step and return its seconds of the processor.

        Raises:
            EOFError: The process has ended.
        """
        if not self._first:
            self._connection.send(None)
        self._first = False
        seconds: float = self._connection.recv()
        return seconds

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(PATIENCE)
        self._process.terminate()
        self._process.join()


def _run(loop: Callable[..., None], connection: Connection, *args: Any) -> None:
    loop(Pace(connection), *args)
