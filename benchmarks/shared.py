"""What benchmarks share: alternatives timed in turn, and a table for the terminal and for results/."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from common.errors import UserError
from common.files import write_csv
from common.paths import ROOT
from common.revision import revision


def time_in_turn(
    ways: Mapping[str, Callable[[int], object]], slow: Collection[str], rounds: int, slow_rounds: int
) -> dict[str, np.ndarray]:
    """Time alternatives in turn, so that what else the machine does meets all of them.

    Args:
        ways: Each is called with the number of the round.
        slow: Those that are timed in some rounds only, spread evenly; the others run once before to warm up.
        rounds: How often the others are timed.
        slow_rounds: How often the slow ones are, at most ``rounds``.

    Returns:
        Medians of the CPU seconds and of the seconds by the clock, float64 (2,), by way.
    """
    for name, way in ways.items():
        if name not in slow:
            way(0)
    with_slow = {number * rounds // slow_rounds for number in range(slow_rounds)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            if name in slow and number not in with_slow:
                continue
            cpu = time.process_time()
            clock = time.perf_counter()
            way(number)
            times[name].append((time.process_time() - cpu, time.perf_counter() - clock))
    return {name: np.median(seconds, axis=0) for name, seconds in times.items()}


def show(table: pd.DataFrame, title: str, columns: Collection[str]) -> None:
    """Print some columns of a table."""
    from evaluation.terminal import frame_table  # with the metrics: a second, for which --help would wait

    Console().print(frame_table(table[[*columns]], title))


def write(table: pd.DataFrame, csv: Path | None, digits: int = 4) -> None:
    """Write a table with the revision of the code, where a file is named."""
    if csv:
        write_csv(csv, table.assign(revision=revision()).round(digits))


@contextmanager
def checkout(revision: str, root: Path = ROOT) -> Iterator[Path]:
    """Yield a temporary folder with the code of a revision of the repository at ``root``.

    Raises:
        UserError: git knows no such revision.
    """
    git = ["git", "-C", str(root), "worktree"]
    with tempfile.TemporaryDirectory() as folder:
        added = subprocess.run([*git, "add", "--detach", "--force", folder, revision], capture_output=True, text=True)
        if added.returncode:
            raise UserError(f"{revision}: git cannot check it out: {added.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run([*git, "remove", "--force", folder], check=True)
