"""A reader that follows a plan over HTTP, and whose server is killed at random moments."""

import json
import random
import re
import sys
import time
import urllib.request
from contextlib import contextmanager
from http.client import HTTPException
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event, Timer
from typing import Any

from cytogenetics.commands.review import app
from cytogenetics.review import (
    review,  # noqa: F401 (imported once, before the servers are forked)
    server,  # noqa: F401 (imported once, before the servers are forked)
)
from tests import processes

TIMES = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d\.\d+\+00:00)?"


Plans = dict[str, list[dict[str, Any]]]  # decisions by the stem of the cell


@contextmanager
def served(output: Path):
    """Yield the address of the page and its process, which is killed at the end."""
    printed = output.parent / f"{output.name}.log"
    printed.unlink(missing_ok=True)
    process = processes.start(printed, {}, _serve, output)
    try:
        yield _address(process, printed), process
    finally:
        process.kill()
        process.join()


def _serve(output: Path) -> None:
    sys.argv = ["scripts/review.py", str(output), "--reader", "reader1"]
    app()


def _address(process: BaseProcess, printed: Path) -> str:
    """Wait for the address that a server prints."""
    end = time.monotonic() + processes.SECONDS
    while not (address := re.search(r"http://\S+/", printed.read_text() if printed.exists() else "")):
        assert process.is_alive(), printed.read_text()
        assert time.monotonic() < end, printed.read_text()
        time.sleep(0.05)
    return address.group()


def follow(address: str, plans: Plans, acknowledged: list[tuple[str, str]]) -> None:
    """Decide what is not yet decided, one decision after another; an image may be the number of a file."""
    for stem, steps in plans.items():
        with urllib.request.urlopen(f"{address}items/{stem}", timeout=60) as answer:
            item = json.load(answer)
        for step in steps[item["lines"] :]:
            asked = {**step, "seconds": 1.0, "lines": item["lines"]}
            if isinstance(number := step.get("image"), int):
                asked["image"] = item["files"][number]["name"]
            headers = {"Origin": address.rsplit("/", 2)[0]}
            place = f"{address}items/{stem}/decisions"
            request = urllib.request.Request(place, json.dumps(asked).encode(), headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                item = json.load(answer)
            acknowledged.append((stem, json.dumps(step)))


def review_killed(output: Path, plans: Plans, kills: int, within: float = 1.0) -> list[tuple[str, str]]:
    """Follow the plans; so often the server gets SIGKILL ``within`` so many seconds. Return what it acknowledged.

    A request that fails before the server is killed fails the review.
    """
    moments = random.Random(0)
    acknowledged: list[tuple[str, str]] = []
    for _ in range(kills):
        with served(output) as (address, process):
            killed = Event()
            timer = Timer(moments.uniform(0.0, within), _kill, (process, killed))
            timer.start()
            try:
                follow(address, plans, acknowledged)
                assert killed.wait(10)
                process.join(timeout=10)
            except (OSError, HTTPException, ValueError):
                if not killed.is_set():
                    raise
            finally:
                timer.cancel()
    with served(output) as (address, _):
        follow(address, plans, acknowledged)
    with served(output):  # writes what is approved at its start
        return acknowledged


def _kill(process: BaseProcess, killed: Event) -> None:
    killed.set()
    process.kill()


def written(output: Path) -> dict[str, bytes]:
    """The folder of approved cells and the page of karyotypes, without times."""
    paths = [*sorted((output / "approved").iterdir()), output / "index.html"]
    content = {path.name if path.parent == output else f"approved/{path.name}": path.read_bytes() for path in paths}
    for name, data in content.items():
        if not name.endswith(".png"):
            content[name] = re.sub(TIMES, "", data.decode()).encode()
    return content
