"""The review of single images, of a table of scripts/predict.py."""

import pytest

from cytogenetics.review.decisions import CellDecisions
from cytogenetics.review.images import ImageReview
from cytogenetics.review.review import open_review
from karyocyte.common.errors import UserError
from packages.cytogenetics.tests.review.predicted import write_table
from tests.helpers.images import decoded


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path)


def test_images_of_a_table_the_most_doubtful_first(table):
    review = open_review(table.with_suffix(".csv"))
    assert [line["title"] for line in review.queue()] == ["00.png", "05.png", "04.png", "03.png"]
    assert review.queue()[0]["doubt"] == pytest.approx(0.4)
    assert review.notes == ["1 file cannot be read: see new.parquet"]
    shown = review.shown("00.png", CellDecisions())
    assert shown["files"] == [{"name": "00.png", "class": "bright", "fixed": False}]
    assert shown["probabilities"] == pytest.approx({"bright": 0.6, "dark": 0.4})
    assert shown["reason"] == "probability below 0.7"
    assert decoded(review.picture("00.png", CellDecisions())).shape == (40, 40, 3)
    assert review.decisions_file == table.parent / "new.decisions.jsonl"


@pytest.mark.parametrize(
    ("classes", "keys"),
    [
        (("bright", "dark"), {"bright": "1", "dark": "2"}),
        (tuple(map(str, range(10))), {str(number): str(number) for number in range(10)}),
    ],
)
def test_classes_have_keys(tmp_path, classes, keys):
    assert ImageReview(write_table(tmp_path, classes=classes)).keys == keys


def test_no_class_has_the_key_of_undo(tmp_path):
    keys = ImageReview(write_table(tmp_path, classes=tuple(f"class {number}" for number in range(40)))).keys
    assert len(set(keys.values())) == len(keys) == 35
    assert "u" not in keys.values()


@pytest.mark.parametrize("name", ["nowhere", "nowhere.parquet", ""])
def test_what_cannot_be_reviewed(tmp_path, name):
    with pytest.raises(UserError, match="nothing that can be reviewed"):
        open_review(tmp_path / name)


def test_a_table_whose_picture_is_gone(table):
    (table.parent / "new" / "00.png").unlink()
    assert open_review(table).picture("00.png", CellDecisions()) is None


def test_an_exchanged_picture_is_no_source_of_a_label(table):
    review = open_review(table)
    pictures = [source for stem in review.stems for source in review.sources(stem, CellDecisions()).values()]
    assert not any(source.fault for source in pictures)
    (table.parent / "new" / "00.png").write_bytes((table.parent / "new" / "05.png").read_bytes())
    assert [source.path.name for source in pictures if source.fault] == ["00.png"]
