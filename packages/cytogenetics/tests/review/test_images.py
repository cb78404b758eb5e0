"""The review of single images, of a table of scripts/predict.py."""

import pandas as pd
import pytest

from cytogenetics.review.decisions import CellDecisions, DecisionLog
from cytogenetics.review.images import ImageReview
from cytogenetics.review.review import export_labels, open_review
from karyocyte.common.errors import UserError
from packages.cytogenetics.tests.review.bundles import decision
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


def keys_of(folder, *classes):
    return ImageReview(write_table(folder / str(len(classes)), classes=classes)).keys


def test_classes_have_keys_and_none_has_that_of_undo(tmp_path):
    assert keys_of(tmp_path, "bright", "dark") == {"bright": "1", "dark": "2", "": "-"}
    digits = list(map(str, range(10)))
    assert keys_of(tmp_path, *digits) == dict(zip(digits, digits, strict=True)) | {"": "-"}
    many = keys_of(tmp_path, *(f"class {number}" for number in range(40))).values()
    assert len(set(many) - {"u"}) == len(many) == 36


@pytest.mark.parametrize("name", ["nowhere", "nowhere.parquet", ""])
def test_what_cannot_be_reviewed(tmp_path, name):
    with pytest.raises(UserError, match="nothing that can be reviewed"):
        open_review(tmp_path / name)


def test_an_exchanged_picture_is_no_source_of_a_label_and_a_lost_one_is_not_shown(table):
    review = open_review(table)
    pictures = [source for stem in review.stems for source in review.sources(stem, CellDecisions()).values()]
    assert not any(source.fault for source in pictures)
    (table.parent / "new" / "00.png").write_bytes((table.parent / "new" / "05.png").read_bytes())
    assert [source.path.name for source in pictures if source.fault] == ["00.png"]
    (table.parent / "new" / "00.png").unlink()
    assert review.picture("00.png", CellDecisions()) is None


def test_an_image_of_none_of_the_classes_is_in_the_exported_table_without_a_label(table, capsys):
    review = open_review(table)
    log = DecisionLog(review.decisions_file)
    for stem, kind in zip(review.stems, ["", "dark", "bright", "bright"], strict=True):
        (name,) = review.sources(stem, CellDecisions())
        for action, facts in {"move": {"image": name, "to": kind}, "approve": {"classes": {name: kind}}}.items():
            log.append(decision(action, cell=stem, model=review.identity(stem), **facts))
        shown = review.shown(stem, log.states["reader1", stem])
        assert shown["result"] == (kind or "none of these classes")
    log.close()
    labels = table.with_name("labels.csv")
    export_labels(review, review.decisions_file, labels)
    assert "3 labels of approved images, and 1 image of none" in " ".join(capsys.readouterr().out.split())
    assert pd.read_csv(labels)["class"].fillna("").tolist() == ["", "dark", "bright", "bright"]
