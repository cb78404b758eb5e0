"""How soon each command answers, and how soon a smoke run has its first batch."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.fast_failure import answer, command_lines
from benchmarks.fast_failure import cases as questions
from benchmarks.speed.case import Case, Peer, Seconds
from benchmarks.startup import USUAL, first_batch

ANSWER = 1.5  # seconds of the processor that an answer may take
FIRST_BATCH = 5.0
ASKED = {"help": "--help", "missing": "usage error"}
LIBRARIES = ("timm", "pytorch-lightning", "hydra-core", "albumentations")
# What any command takes: one with an argument, by Typer, which is asked for its help or given one too many.
PLAIN = """
import typer
app = typer.Typer(rich_markup_mode="rich")
@app.command()
def main(path: str) -> None:
    "Do nothing."
app()
"""


def cases(folder: Path) -> Iterator[Case]:
    """Yield the answers of all commands to ``--help`` and to a wrong argument, and the first batch of a smoke run."""
    for name, script in command_lines().items():
        for question, words in ASKED.items():
            arguments = questions(name)[question]
            plain = ("--help",) if question == "help" else ("one", "two")
            peers = {"a command of Typer": Peer(partial(_plain, plain), None, ("typer",)), **_within(ANSWER)}
            yield Case(f"{name}, {words}", partial(answer, script, arguments), peers, rounds=3)
    libraries = Peer(_until_first_batch(folder, "five libraries"), None, LIBRARIES)
    peers = {"import of five libraries": libraries, **_within(FIRST_BATCH)}
    yield Case("first batch of a smoke run", _until_first_batch(folder, "train.py"), peers, rounds=3)


def _within(seconds: float) -> dict[str, Peer]:
    """So many seconds as a peer, which is to be as slow at least."""
    return {f"{seconds:g} s": Peer(lambda: Seconds(seconds, seconds), 1.0)}


def _plain(arguments: tuple[str, ...]) -> None:
    subprocess.run([sys.executable, "-c", PLAIN, *arguments], capture_output=True, check=False)


def _until_first_batch(folder: Path, program: str) -> Callable[[], Seconds]:
    def run() -> Seconds:
        facts = first_batch(program, folder, USUAL)
        return Seconds(facts["cpu"], facts["seconds"])

    return run
