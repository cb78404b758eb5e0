"""The classes of another data set in the words of a run."""

import pytest

from common.errors import UserError
from workflows.evaluation.classes import map_classes, parse_map


def test_pairs_are_read():
    assert parse_map(["blast_1=all", "platelet="]) == {"blast_1": "all", "platelet": None}


@pytest.mark.parametrize("pairs", [["blast_1"], ["=all"], ["a=b=c"], ["blast=all", "blast=hem"]])
def test_pairs_that_cannot_be_read_are_an_error(pairs):
    with pytest.raises(UserError, match=f"--map {pairs[-1]}: "):
        parse_map(pairs)


def test_several_classes_may_become_one_one_may_be_left_out_and_others_keep_their_names():
    mapping = {"lymphocyte": "hem", "monocyte": "hem", "platelet": None}
    mapped = map_classes(["lymphocyte", "monocyte", "platelet", "all"], ["hem", "all"], mapping)
    assert mapped == {**mapping, "all": "all"}


@pytest.mark.parametrize(
    ("mapping", "fault"),
    [
        ({}, "no class blast, healthy, it has hem, all: .*--map blast=hem"),
        ({"blast": "leukaemia", "healthy": "hem"}, "--map blast=leukaemia: the run has no class leukaemia"),
        ({"blasts": "all"}, "--map blasts=...: the other set has no such class; it has blast, healthy"),
        ({"blast": None, "healthy": None}, "leaves out every class"),
    ],
)
def test_a_map_that_does_not_fit_is_an_error(mapping, fault):
    with pytest.raises(UserError, match=fault):
        map_classes(["blast", "healthy"], ["hem", "all"], mapping)
