"""The review page, served by a thread of this process."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from cytogenetics.review.decisions import DecisionLog
from cytogenetics.review.review import open_review
from cytogenetics.review.reviewed import Reviewed
from cytogenetics.review.server import HOST, ReviewServer, review_app

ADDRESS = "http://127.0.0.1:8000"
ORIGIN = {"Origin": ADDRESS}


def open_clients() -> Iterator[Callable[..., TestClient]]:
    """Yield a function that opens the review of an output as a reader, after the one before, and returns a client."""
    logs: list[DecisionLog] = []

    def start(output: Path, reader: str = "reader1") -> TestClient:
        while logs:
            logs.pop().close()
        logs.append(DecisionLog(output / "decisions.jsonl"))
        server = ReviewServer(open_review(output), logs[-1], reader)
        return TestClient(review_app({"token": server}), base_url=f"{ADDRESS}/token/")

    yield start
    while logs:
        logs.pop().close()


def decide(client: TestClient, action: str, cell: str, **values: object) -> Any:
    """Ask for a decision, as the page does."""
    body = {"action": action, "seconds": 2.0, **values}
    return client.post(f"items/{cell}/decisions", json=body, headers=ORIGIN)


@contextmanager
def served(reviewed: Reviewed, decisions: Path) -> Iterator[str]:
    """Yield the address of the page; it is served until the block ends."""
    log = DecisionLog(decisions)
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        token = "token"
        app = review_app({token: ReviewServer(reviewed, log, "reader1")})
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}/{token}/"
        finally:
            server.should_exit = True
            thread.join()
            log.close()
