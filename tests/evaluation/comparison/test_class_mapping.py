import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from evaluation.comparison.class_mapping import map_classes, parse_map

NAMES = st.lists(st.text("abcdef_0", min_size=1, max_size=6), min_size=1, max_size=5, unique=True)


def test_pairs_are_read():
    assert parse_map(["blast_1=all", "healthy_0=hem", "platelet="]) == {
        "blast_1": "all",
        "healthy_0": "hem",
        "platelet": None,
    }


@pytest.mark.parametrize("pair", ["blast_1", "=all", "a=b=c", ""])
def test_a_pair_that_cannot_be_read_is_an_error(pair):
    with pytest.raises(UserError, match="--map .*: write <class of the other set>=<class of the run>"):
        parse_map([pair])


def test_a_class_that_is_named_twice_is_an_error():
    with pytest.raises(UserError, match="blast is named twice"):
        parse_map(["blast=all", "blast=hem"])


def test_what_is_not_said_goes_by_its_name():
    assert map_classes(["hem", "blast"], ["hem", "all"], {"blast": "all"}) == {"hem": "hem", "blast": "all"}


def test_several_classes_may_become_one_and_one_may_be_left_out():
    said = {"lymphocyte": "hem", "monocyte": "hem", "platelet": None}
    assert map_classes(["lymphocyte", "monocyte", "platelet", "all"], ["hem", "all"], said) == {**said, "all": "all"}


@given(NAMES)
def test_the_same_classes_need_no_map(names):
    assert map_classes(names, names[::-1], {}) == {name: name for name in names}


def test_classes_without_a_counterpart_are_named_with_the_flag():
    with pytest.raises(UserError, match="no class blast_1, healthy_0, it has hem, all: .*--map blast_1=hem") as error:
        map_classes(["blast_1", "healthy_0"], ["hem", "all"], {})
    assert "--map blast_1= " in f"{error.value} "


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (
            {"blast": "leukaemia", "healthy": "hem"},
            "--map blast=leukaemia: the run has no class leukaemia; it has hem, all",
        ),
        ({"blasts": "all"}, "--map blasts=...: the other set has no such class; it has blast, healthy"),
        ({"blast": None, "healthy": None}, "leaves out every class"),
    ],
)
def test_a_map_that_does_not_fit_is_an_error(said, fault):
    with pytest.raises(UserError, match=fault):
        map_classes(["blast", "healthy"], ["hem", "all"], said)
