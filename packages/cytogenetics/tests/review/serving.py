"""The review page, served by a thread of this process."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn

from cytogenetics.review.decisions import DecisionLog
from cytogenetics.review.reviewed import Reviewed
from cytogenetics.review.server import HOST, Reader, ReviewServer, review_app


@contextmanager
def served(reviewed: Reviewed, decisions: Path, reader: Reader) -> Iterator[str]:
    """Yield the address of the page; it is served until the block ends."""
    log = DecisionLog(decisions)
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        token = "token"
        app = review_app({token: ReviewServer(reviewed, log, reader)})
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}/{token}/"
        finally:
            server.should_exit = True
            thread.join()
            log.close()
