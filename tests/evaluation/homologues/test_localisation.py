"""A place that is guessed without an image."""

import pandas as pd

from evaluation.homologues.localisation import fixed_place_hits


def items(*rows):
    names = ["fold", "chromosome", "longer", "start_first", "stop_first", "start_second", "stop_second"]
    return pd.DataFrame(rows, columns=names)


def test_the_most_frequent_place_of_a_chromosome_is_guessed():
    known = items((0, 3, 0, 2, 4, 0, 0), (0, 3, 0, 3, 6, 0, 0), (0, 5, 0, 9, 10, 0, 0))
    found = items((0, 3, 0, 3, 4, 0, 0), (0, 3, 0, 4, 9, 0, 0), (0, 5, 0, 9, 10, 0, 0))
    assert fixed_place_hits(known, found).tolist() == [True, False, True]


def test_it_is_on_the_longer_or_the_shorter_of_the_two():
    known = items((0, 3, 1, 0, 0, 2, 3))  # the second is longer, and changed
    found = items((0, 3, 0, 2, 3, 0, 0), (0, 3, 0, 0, 0, 2, 3), (0, 3, 1, 0, 0, 2, 3))
    assert fixed_place_hits(known, found).tolist() == [True, False, True]


def test_nothing_is_guessed_of_what_is_not_known():
    known = items((0, 3, 0, 0, 2, 0, 2))
    assert fixed_place_hits(known, items((1, 3, 0, 0, 2, 0, 2), (0, 4, 0, 0, 2, 0, 2))).tolist() == [False, False]
    assert fixed_place_hits(known.iloc[:0], known).tolist() == [False]
    assert fixed_place_hits(known, known.iloc[:0]).tolist() == []
