"""Oracles of metaphases: what is given is right, and the rest is that of the program."""

import numpy as np

from benchmarks.metaphase_oracles import Seen, oracles
from karyocyte.evaluation.cells.box_choice import Boxes

FEMALE = np.repeat(np.arange(23), 2)


def test_a_chromosome_that_is_missed_is_there_where_all_are_found():
    logs = np.full((46, 24), np.log(0.01 / 23))
    logs[np.arange(46), FEMALE] = np.log(0.99)
    true = Seen(Boxes.apart(np.ones(46)), logs, np.arange(46))
    invented = Boxes.apart(np.append(np.full(45, 0.98), 0.9))
    found = Seen(invented, np.concatenate([logs[:45], logs[:1]]), np.append(np.arange(45), -1))
    rows = {row["given"]: row for row in oracles(found, true, FEMALE)}
    assert [name for name, row in rows.items() if row["whole"]] == ["all found", "true boxes"]
    assert rows["nothing"]["right"] == rows["the best of the boxes"]["right"] == rows["classes"]["right"] == 45
    assert rows["true boxes"]["exact"]
