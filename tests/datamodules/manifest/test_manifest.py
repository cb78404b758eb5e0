"""Class order and content hash."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from datamodules.manifest.manifest import content_hash, natural_key, order_classes
from tests.helpers.manifests import make_manifest


@pytest.mark.parametrize(
    ("names", "positive_class", "classes"),
    [
        ({"all", "hem"}, "all", ("hem", "all")), ({"all", "hem"}, "hem", ("all", "hem")),
        ({"10", "9", "1", "X"}, None, ("1", "9", "10", "X")),
    ],
)  # fmt: skip
def test_the_positive_class_is_last_and_many_are_in_natural_order(names, positive_class, classes):
    assert order_classes(names, positive_class) == classes


@pytest.mark.parametrize(
    ("names", "positive_class", "message"),
    [
        ({"all", "hem"}, None, "data.positive_class=all or data.positive_class=hem"),
        ({"all", "hem"}, "blast", "blast is no class.*data.positive_class=all or data.positive_class=hem"),
        ({"a", "b", "c"}, "a", "no meaning with 3 classes"),
        (set(), None, "two classes or more"),
        ({"all"}, None, "two classes or more"),
    ],
)
def test_classes_without_an_order_are_refused(names, positive_class, message):
    with pytest.raises(UserError, match=message):
        order_classes(names, positive_class)


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


def test_classes_that_a_given_part_lacks_are_named():
    manifest = make_manifest(["a", "b", "a", "b", None], parts=["fold_0", "fold_0", "fold_1", None, "fold_1"])
    assert manifest.missing_classes() == ["fold_1 has no image of class b"]
    assert make_manifest(["a", "b"]).missing_classes() == []
