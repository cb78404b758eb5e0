"""Oracles of metaphases: what is given is right, and the rest is that of the program."""

import numpy as np

from benchmarks.metaphase_oracles import Seen, as_legible, oracles

FEMALE = np.repeat(np.arange(23), 2)


def read(rows):
    """Return log-probabilities of which the true classes have 0.99."""
    logs = np.full((46, 24), np.log(0.01 / 23))
    logs[np.arange(46), FEMALE] = np.log(0.99)
    return logs[rows]


def places(count):
    """Return boxes that touch no other."""
    left = 50.0 * np.arange(count)
    return np.stack([left, np.zeros(count), left + 40, np.full(count, 40.0)], axis=1)


def test_a_chromosome_that_is_missed_is_there_where_all_are_found():
    found = Seen(read([*range(45), 0]), np.append(np.arange(45), -1))
    rows = {row["given"]: row for row in oracles(found, Seen(read(range(46)), np.arange(46)), FEMALE, places(46))}
    assert rows["all found, none invented"]["whole"]
    assert rows["46 and the sex"]["exact"]


def test_crossing_chromosomes_become_as_legible_as_the_others():
    logs = read(range(46))
    logs[[0, 5]] = np.log(1 / 24)  # nothing is seen of them
    boxes = places(46)
    boxes[5] = boxes[0] + 2
    legible = as_legible(logs, FEMALE, np.array([0, 5]))
    assert (legible.argmax(axis=1) == FEMALE).all()
    assert np.allclose(np.exp(legible).max(axis=1), 0.99)
    rows = {row["given"]: row for row in oracles(Seen(logs, np.arange(46)), Seen(logs, np.arange(46)), FEMALE, boxes)}
    assert rows["true boxes, crossings as legible"]["whole"]
