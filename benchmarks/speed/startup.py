"""How soon each command answers."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.fast_failure import answer, command_lines
from benchmarks.fast_failure import cases as questions
from benchmarks.speed.case import Case, Peer, Seconds

ANSWER = 1.5  # seconds of the processor that an answer may take
ASKED = {"help": "--help", "missing": "usage error"}
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
    """Yield the answers of all commands to ``--help`` and to a wrong argument."""
    for name, script in command_lines().items():
        for question, words in ASKED.items():
            arguments = questions(name)[question]
            plain = ("--help",) if question == "help" else ("one", "two")
            peers = {"a command of Typer": Peer(partial(_plain, plain), None, ("typer",)), **within(ANSWER)}
            yield Case(f"{name}, {words}", partial(answer, script, arguments), peers, rounds=3)


def within(seconds: float) -> dict[str, Peer]:
    """So many seconds as a peer, which is to be as slow at least."""
    return {f"{seconds:g} s": Peer(lambda: Seconds(seconds, seconds), 1.0)}


def _plain(arguments: tuple[str, ...]) -> None:
    subprocess.run([sys.executable, "-c", PLAIN, *arguments], capture_output=True, check=False)
