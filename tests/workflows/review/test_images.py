"""The review of single images: of a table of scripts/predict.py, and of a run."""

import json

import pandas as pd
import pytest

from common.errors import UserError
from common.thumbnails import decode
from evaluation.predicted_table import write_predicted
from tests.helpers.predictions import make_run
from tests.workflows.report.reports import write_run
from tests.workflows.review.bundles import decision
from tests.workflows.review.predicted import CLASSES, FACTS, write_table
from workflows.review.decisions import CellDecisions
from workflows.review.images import ImageReview
from workflows.review.review import open_review

OUTPUTS_OF_A_MODEL = ("0.6", "bright", "conformal", "probabil", "heat", "reason", "prediction", "doubt")


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path)


@pytest.fixture
def run(tmp_path):
    """A run of 20 test images with heat maps, whose images are gone."""
    return write_run(tmp_path / "run", make_run(images=20, subjects=5, classes=("a", "b", "c")), maps=("gradcam-x",))


def test_images_of_a_table_the_most_doubtful_first(table):
    review = open_review(table.with_suffix(".csv"))
    assert [line["title"] for line in review.queue(blind=False)] == [f"{number:02d}.png" for number in range(6)]
    assert review.queue(blind=False)[0]["doubt"] == pytest.approx(0.4)
    assert review.notes == ["1 file cannot be read: see new.parquet"]
    shown = review.shown("00.png", CellDecisions(), blind=False)
    assert shown["files"] == [{"name": "00.png", "class": "bright", "fixed": False}]
    assert shown["probabilities"] == pytest.approx({"bright": 0.6, "dark": 0.4})
    assert (shown["conformal_set"], shown["reason"]) == ("bright, dark", "probability below 0.7")
    picture = review.picture("00.png", "image", blind=False)
    assert decode(picture.content).shape == (40, 40, 3)
    assert review.decisions_file == table.parent / "new.decisions.jsonl"


def test_a_decision_changes_the_class_and_can_be_undone(table):
    review = open_review(table)
    decisions = CellDecisions([decision("move", cell="00.png", image="00.png", to="dark")])
    shown = review.shown("00.png", decisions, blind=False)
    assert (shown["result"], shown["files"][0]["fixed"], shown["undoable"]) == ("dark", True, True)
    decisions.add(decision("undo", cell="00.png"))
    assert review.shown("00.png", decisions, blind=False)["result"] == "bright"


def test_blind_readers_get_nothing_of_the_model(table, run):
    review = open_review(table)
    everything = json.dumps([review.queue(blind=True), review.shown("00.png", CellDecisions(), blind=True)])
    classes = json.dumps(list(CLASSES))
    assert not [word for word in OUTPUTS_OF_A_MODEL if word in everything.replace("bright", "", 1)], classes
    assert review.queue(blind=True)[0] == {"stem": "00.png", "title": "image 1"}
    of_run = open_review(run)
    stem = of_run.stems[0]
    assert of_run.picture(stem, "heat-0", blind=False) is not None
    assert of_run.picture(stem, "heat-0", blind=True) is None
    assert [line["stem"] for line in of_run.queue(blind=True)] == sorted(of_run.stems)


def test_images_of_a_run_with_heat_maps(run):
    review = open_review(run)
    queue = review.queue(blind=False)
    assert len(queue) == 20
    doubts = [line["doubt"] for line in queue]
    assert doubts == sorted(doubts, reverse=True)
    shown = review.shown(queue[0]["stem"], CellDecisions(), blind=False)
    assert [line["title"] for line in shown["heat"]] == ["gradcam-x"]
    assert "“c”" in shown["heat"][0]["words"]
    assert decode(review.picture(queue[0]["stem"], "image", False).content).shape == (24, 24, 3)
    assert review.picture(queue[0]["stem"], "heat-1", False) is None
    assert review.decisions_file == run / "decisions.jsonl"


def test_classes_have_keys(tmp_path, table):
    assert open_review(table).keys == {"bright": "1", "dark": "2"}
    many = ImageReview(tmp_path, "m", [f"class {number}" for number in range(40)], [])
    assert len(set(many.keys.values())) == len(many.keys) == 35
    assert "u" not in many.keys.values()
    assert ImageReview(tmp_path, "m", [str(number) for number in range(10)], []).keys["0"] == "0"


def test_what_cannot_be_reviewed(tmp_path):
    for name in ("nowhere", "nowhere.parquet"):
        with pytest.raises(UserError, match="nothing that can be reviewed"):
            open_review(tmp_path / name)
    with pytest.raises(UserError, match="nothing that can be reviewed"):
        open_review(tmp_path)


def test_a_table_without_a_picture_or_an_image(tmp_path, table):
    (table.parent / "new" / "00.png").unlink()
    assert open_review(table).picture("00.png", "image", blind=False) is None
    row = {"file": "a", "status": "broken", "cause": "no image", "review": True, "path": "a"}
    write_predicted(tmp_path / "none.parquet", pd.DataFrame([row]), FACTS)
    assert open_review(tmp_path / "none.parquet").queue(blind=False) == []
