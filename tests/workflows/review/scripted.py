"""A reader that follows a plan over HTTP, and whose server is killed at random moments."""

import json
import random
import re
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from threading import Timer

from common.paths import ROOT

TIMES = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d\.\d+\+00:00)?"


def plan(number: int) -> list[dict[str, str]]:
    """What the reader decides of a cell."""
    one, other = f"c{number}/{number % 40:02d}.png", f"c{number}/{(number + 7) % 40:02d}.png"
    steps = [
        {"action": "move", "image": one, "to": "mar" if number % 5 == 0 else "7"},
        {"action": "turn", "image": other},
        {"action": "note", "text": f"cell {number}"},
        {"action": "undo"},
        {"action": "note", "text": f"the cell {number}"},
    ]
    last = {"action": "reject", "text": "blurred"} if number % 7 == 3 else {"action": "approve"}
    return [*steps, last]


@contextmanager
def server(output: Path):
    """Yield the address of the page and its process, which is killed at the end."""
    command = [sys.executable, "scripts/review.py", str(output), "--reader", "reader1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield re.search(r"http://\S+", process.stdout.readline()).group(), process
    finally:
        process.kill()
        process.communicate()


def follow(address: str, cells: int, acknowledged: list[tuple[str, str]]) -> None:
    """Decide what is not yet decided, one decision after another."""
    for number in range(cells):
        with urllib.request.urlopen(f"{address}items/c{number}", timeout=60) as answer:
            done = json.load(answer)["lines"]
        for step in plan(number)[done:]:
            body = json.dumps({**step, "seconds": 1.0, "lines": done}).encode()
            headers = {"Origin": address.rsplit("/", 2)[0]}
            request = urllib.request.Request(f"{address}items/c{number}/decisions", body, headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                done = json.load(answer)["lines"]
            acknowledged.append((f"c{number}", json.dumps(step)))


def review_killed(output: Path, cells: int, kills: int, within: float = 1.0) -> list[tuple[str, str]]:
    """Review all cells; so often the server gets SIGKILL ``within`` so many seconds. Return what it acknowledged."""
    moments = random.Random(0)
    acknowledged: list[tuple[str, str]] = []
    for _ in range(kills):
        with server(output) as (address, process):
            timer = Timer(moments.uniform(0.0, within), process.kill)
            timer.start()
            try:
                follow(address, cells, acknowledged)
                process.wait(timeout=10)
            except (OSError, HTTPException, ValueError):
                pass
            timer.cancel()
    with server(output) as (address, _):
        follow(address, cells, acknowledged)
    with server(output):  # writes what is approved at its start
        return acknowledged


def written(output: Path) -> dict[str, bytes]:
    """The folder of approved cells and the page of karyotypes, without times."""
    paths = [*sorted((output / "approved").iterdir()), output / "index.html"]
    content = {path.name if path.parent == output else f"approved/{path.name}": path.read_bytes() for path in paths}
    for name, data in content.items():
        if not name.endswith(".png"):
            content[name] = re.sub(TIMES, "", data.decode()).encode()
    return content
