"""Class order and content hash."""

from dataclasses import replace
from pathlib import Path

import pytest

from datamodules.manifest.manifest import DRAWN, content_hash, order_classes
from karyocyte.common.errors import UserError
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


def test_where_the_positive_class_is_unsaid_both_are_named():
    with pytest.raises(UserError, match=r"^no positive class .*=all. or .*=hem.$"):
        order_classes({"all", "hem"}, None)


def test_the_hash_covers_the_content_and_not_the_place():
    manifest = make_manifest(["a", "b", None], ["s", None, "t"], ["fold_0", "fold_1", None])
    known = content_hash(manifest)
    assert content_hash(replace(manifest, root=Path("/elsewhere"), notes=("x",))) == known
    assert content_hash(replace(manifest, classes=("b", "a"))) != known
    for column in ("image_id", "label", "subject", "part", "sha256"):
        frame = manifest.frame.copy()
        frame.loc[1, column] = "other"
        assert content_hash(replace(manifest, frame=frame)) != known


def test_the_mark_of_synthetic_images_is_found_in_every_folder_above_an_image(tmp_path):
    manifest = replace(make_manifest(["a", "b"]), root=tmp_path)
    manifest.frame["path"] = ["top.png", "one/two/inner.png"]
    (tmp_path / "one" / "two").mkdir(parents=True)
    assert not manifest.is_marked()
    for folder in ("", "one", "one/two"):
        (tmp_path / folder / DRAWN).touch()
        assert manifest.is_marked()
        (tmp_path / folder / DRAWN).unlink()
