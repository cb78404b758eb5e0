"""Work in threads keeps its order and takes little in advance."""

import itertools
import threading

import pytest

from datamodules.io import progress
from datamodules.io.progress import IN_ADVANCE, in_threads


@pytest.fixture(autouse=True)
def _three_processors(monkeypatch):
    monkeypatch.setattr(progress, "processors", lambda: 3)


def test_results_are_in_order_and_few_items_are_taken_in_advance():
    taken = itertools.count()
    results = in_threads(lambda number: 2 * number, taken)
    assert [next(results) for _ in range(5)] == [0, 2, 4, 6, 8]
    results.close()
    assert next(taken) <= 5 + 3 * IN_ADVANCE


def test_as_many_items_are_worked_on_at_once_as_there_are_processors():
    together = threading.Barrier(3)
    assert sorted(in_threads(lambda _: together.wait(timeout=60), range(3))) == [0, 1, 2]


def test_an_error_ends_the_work():
    done = []

    def work(number):
        done.append(number)
        return 1 // (number - 10)

    with pytest.raises(ZeroDivisionError):
        list(in_threads(work, range(1000)))
    assert len(done) < 10 + 2 * 3 * IN_ADVANCE
