"""How soon a smoke run has its first batch."""

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.speed.case import Case, Peer, Seconds
from benchmarks.speed.startup import within
from benchmarks.startup import USUAL, first_batch

GOAL = 5.0  # seconds by the clock
LIBRARIES = ("timm", "pytorch-lightning", "hydra-core", "albumentations")


def cases(folder: Path) -> Iterator[Case]:
    """Yield the case: whole processes, by the clock."""
    libraries = Peer(_until_first_batch(folder, "five libraries"), None, LIBRARIES)
    peers = {"import of five libraries": libraries, **within(GOAL)}
    yield Case("first batch of a smoke run", _until_first_batch(folder, "train.py"), peers, rounds=3, by_clock=True)


def _until_first_batch(folder: Path, program: str) -> Callable[[], Seconds]:
    def run() -> Seconds:
        facts = first_batch(program, folder, USUAL)
        return Seconds(facts["cpu"], facts["seconds"])

    return run
