"""The end of the processes that load images."""

import multiprocessing

from lightning_modules.callbacks.ends_workers import EndsWorkers


class Stuck:
    """A process that waits for a disk: its end may never come."""

    def __init__(self, calls):
        self.calls = calls

    def kill(self):
        self.calls.append("kill")

    def join(self, timeout=None):
        assert timeout is not None, "this process never ends"
        self.calls.append("join")


def test_a_process_that_does_not_end_keeps_neither_the_others_alive_nor_the_training(monkeypatch):
    calls = []
    monkeypatch.setattr(multiprocessing, "active_children", lambda: [Stuck(calls), Stuck(calls)])
    EndsWorkers().on_exception(None, None, RuntimeError())
    assert calls == ["kill", "kill", "join", "join"]
