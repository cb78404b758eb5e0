"""Class order and content hash."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from datamodules.manifest.manifest import content_hash, natural_key, order_classes
from tests.helpers.manifests import make_manifest


def test_the_positive_class_is_last():
    assert order_classes({"all", "hem"}, "all") == ("hem", "all")
    assert order_classes({"all", "hem"}, "hem") == ("all", "hem")


def test_many_classes_stand_in_natural_order():
    assert order_classes({"10", "9", "1", "X"}, None) == ("1", "9", "10", "X")


def test_a_positive_class_not_said_shows_both_options():
    with pytest.raises(UserError, match="data.positive_class=all or data.positive_class=hem"):
        order_classes({"all", "hem"}, None)


def test_an_unknown_positive_class_lists_the_right_ones():
    with pytest.raises(UserError, match="blast is no class.*data.positive_class=all or data.positive_class=hem"):
        order_classes({"all", "hem"}, "blast")


def test_a_positive_class_among_many_is_refused():
    with pytest.raises(UserError, match="no meaning with 3 classes"):
        order_classes({"a", "b", "c"}, "a")


@pytest.mark.parametrize("names", [set(), {"all"}])
def test_one_class_is_too_few(names):
    with pytest.raises(UserError, match="two classes or more"):
        order_classes(names, None)


@given(st.lists(st.text(max_size=8)))
def test_natural_order_takes_any_text(names):
    assert len(sorted(names, key=natural_key)) == len(names)


def test_the_hash_covers_the_content_and_not_the_place():
    manifest = make_manifest(["a", "b", None], ["s", None, "t"], ["fold_0", "fold_1", None])
    known = content_hash(manifest)
    assert content_hash(replace(manifest, root=Path("/elsewhere"), notes=("x",))) == known
    assert content_hash(replace(manifest, classes=("b", "a"))) != known
    for column in ("image_id", "label", "subject", "part", "sha256"):
        frame = manifest.frame.copy()
        frame.loc[1, column] = "other"
        assert content_hash(replace(manifest, frame=frame)) != known


def test_class_indices_of_unlabelled_rows_are_minus_one():
    assert make_manifest(["b", None, "a"]).class_indices.tolist() == [1, -1, 0]
