"""The same command of a finished run: shown from its folder, or evaluated again."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.case import Case, Peer
from benchmarks.speed.startup import within
from common.paths import ROOT
from common.runs.files import RunFile
from common.runs.run import Run

GOAL = 1.5  # seconds of the processor
OVERRIDES = ("+experiment=resnet18_cut_block5", "+profile=demo", "data.images=200", "trainer.max_images=64")


def cases(folder: Path) -> Iterator[Case]:
    """Yield the case: whole processes, their start included."""
    places = (f"output_dir={folder / 'outputs'}", f"cache_dir={folder / 'cache'}")
    command = (sys.executable, "train.py", *OVERRIDES, *places)
    _start(command)
    (run,) = Run.find(folder / "outputs")
    origin = run.path(RunFile.ORIGIN)

    def evaluate_again() -> None:
        noted = origin.read_text(encoding="utf-8")
        origin.unlink()
        _start(command)
        assert noted != origin.read_text(encoding="utf-8")  # of newer files

    yield Case(
        "the command of a finished run again",
        lambda: _start(command),
        {"evaluated again": Peer(evaluate_again), **within(GOAL)},
        rounds=3,
    )


def _start(command: tuple[str, ...]) -> None:
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
