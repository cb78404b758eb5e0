"""A part of the work whose time is measured against the amount of work."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Work = Callable[[], int]


@dataclass(frozen=True)
class Part:
    """A part of the work.

    Attributes:
        name: For tables.
        unit: What is counted, such as "images".
        sizes: How many of them, rising.
        prepare: Makes so many, in an empty folder; returns the work on them, which is timed and returns how many it
            has worked on.
    """

    name: str
    unit: str
    sizes: tuple[int, ...]
    prepare: Callable[[int, Path], Work]


@dataclass(frozen=True)
class Measured:
    """The time of a part at one size.

    Attributes:
        part: Its name.
        size: How many units were worked on.
        unit: What they are.
        cpu_s: Seconds of the processor.
        slope: Of the line from the size before, on logarithmic axes: 1 is linear, 2 quadratic; None of the first size.
    """

    part: str
    size: int
    unit: str
    cpu_s: float
    slope: float | None


def measure(part: Part, sizes: Sequence[int], longest: float) -> Iterator[Measured]:
    """Time a part at each size, but for those that would take longer than ``longest`` seconds by the slope before.

    The first size is worked on once more, before: what is imported late is no part of the growth.
    """
    before = Measured(part.name, sizes[0], part.unit, _seconds(part, sizes[0]), None)
    for size in sizes:
        exponent = 1.0 if before.slope is None else before.slope
        if before.cpu_s * (size / before.size) ** exponent > longest:
            return
        seconds = _seconds(part, size)
        slope = None
        if size > before.size:
            slope = float(np.log(seconds / before.cpu_s) / np.log(size / before.size))
        before = Measured(part.name, size, part.unit, seconds, slope)
        yield before


def _seconds(part: Part, size: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        work = part.prepare(size, Path(folder))
        start = time.process_time()
        done = work()
        seconds = time.process_time() - start
    if done != size:
        raise RuntimeError(f"{part.name}: {done:,} {part.unit} in place of {size:,}")
    return seconds
