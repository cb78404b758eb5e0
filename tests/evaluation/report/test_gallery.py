"""The gallery: which images are shown, the prediction of each, and how many bytes their pictures take."""

import base64
from types import SimpleNamespace

import pytest

from common.thumbnails import THUMBNAILS, read_pictures, write_pictures
from evaluation.metrics.classification import call
from evaluation.report import sources
from evaluation.report.gallery import gallery
from evaluation.report.sources import read_chapters
from tests.evaluation.report.reports import drawn, write_run
from tests.helpers.predictions import join, make_predictions, make_run, with_passes

PLENTY = 10**9


@pytest.fixture(autouse=True)
def without_evaluation(monkeypatch):
    """Evaluate nothing: of a result the gallery takes the classes alone."""

    def classes_of(runs, _):
        return SimpleNamespace(classes=list(runs[0].classes), positive_class=runs[0].positive_class)

    monkeypatch.setattr(sources, "evaluate_runs", classes_of)


def shown(folders, images=1000, budget=PLENTY, real_names=True):
    return gallery(read_chapters(folders), images, budget, real_names)


def by_name(found):
    return {item["name"]: item for item in found.data["items"]}


def test_each_image_has_its_truth_prediction_and_picture(tmp_path):
    run = make_run(images=40, subjects=10)
    found = shown([write_run(tmp_path, run)])
    test, items = run.part("test"), by_name(found)
    pictures = read_pictures(tmp_path / THUMBNAILS)
    assert set(items) == set(test.frame["image_id"])
    for row, called in enumerate(call(test.probabilities, 1)):
        item = items[test.frame["image_id"][row]]
        (said,) = item["by"]
        assert item["truth"] == test.labels[row]
        assert item["subject"] == test.frame["subject"][row]
        assert said["predicted"] == called
        assert said["right"] == (called == test.labels[row])
        assert said["probability"] == pytest.approx(test.probabilities[row, called], abs=1e-4)
        assert found.pictures[said["picture"]] == pictures[item["name"]]
    assert found.data["classes"] == ["hem", "all"]
    assert found.data["positive"] == 1


def test_without_votes_a_tenth_is_doubtful_the_most_uncertain(tmp_path):
    found = shown([write_run(tmp_path, make_run(images=40, subjects=10))])
    said = [item["by"][0] for item in found.data["items"]]
    doubtful = [one["uncertainty"] for one in said if one["doubtful"]]
    assert len(doubtful) == 4
    assert min(doubtful) > max(one["uncertainty"] for one in said if not one["doubtful"])


def test_with_votes_those_below_the_share_are_doubtful(tmp_path):
    run = with_passes(make_run(images=40, subjects=10), noise=2.0)
    found = shown([write_run(tmp_path, run)])
    said = [item["by"][0] for item in found.data["items"]]
    assert {one["doubtful"] for one in said} == {True, False}
    assert all(one["doubtful"] == (one["votes"] < 0.8) for one in said)
    assert "80 %" in found.data["doubtful"][0]


def test_wrong_ones_come_first_then_doubtful_ones_then_a_sample(tmp_path):
    run = make_run(images=60, subjects=12, skill=1.0)
    everything = shown([write_run(tmp_path, run)]).data["items"]
    wrong = [item["name"] for item in everything if item["by"][0]["right"] is False]
    doubtful = {item["name"] for item in everything if item["by"][0]["doubtful"]}
    few = shown([tmp_path], images=len(wrong) - 1)
    assert {item["name"] for item in few.data["items"]} < set(wrong)
    assert f"{len(wrong) - 1} of 60" in few.notes[0]
    more = [item["name"] for item in shown([tmp_path], images=len({*wrong} | doubtful) + 3).data["items"]]
    assert {*wrong} | doubtful < {*more}
    assert {*more[: len(wrong)]} == {*wrong}
    again = [item["name"] for item in shown([tmp_path], images=len({*wrong} | doubtful) + 3).data["items"]]
    assert more == again


def test_folds_are_one_gallery_and_each_has_its_own_pictures(tmp_path):
    folders = [write_run(tmp_path / f"{fold}", make_run(fold, images=20, subjects=5)) for fold in range(3)]
    found = shown(folders)
    assert found.total == 60
    assert all(item["by"][0]["picture"] is not None for item in found.data["items"])


def test_experiments_stand_side_by_side_and_share_their_pictures(tmp_path):
    runs = [make_run(images=20, subjects=5, skill=skill, about={"name": name}) for skill, name in ((2, "a"), (0, "b"))]
    found = shown([write_run(tmp_path / run.about["name"], run) for run in runs])
    assert found.data["chapters"] == ["a", "b"]
    assert len(found.pictures) == 20
    assert all(len(item["by"]) == 2 for item in found.data["items"])
    missed = [sum(one["right"] is False for one in item["by"]) for item in found.data["items"]]
    assert missed == sorted(missed, reverse=True)


def test_heat_maps_belong_to_their_method_and_experiment(tmp_path):
    runs = [make_run(images=10, subjects=5, about={"name": name}) for name in ("a", "b")]
    write_run(tmp_path / "a", runs[0])
    write_run(tmp_path / "b", runs[1], maps=("gradcam-layer4", "occlusion-input"))
    found = shown([tmp_path / "a", tmp_path / "b"])
    assert found.data["maps"] == [
        {"chapter": 1, "label": "gradcam-layer4"},
        {"chapter": 1, "label": "occlusion-input"},
    ]
    files = {name: read_pictures(tmp_path / "b" / "heatmaps" / f"{name}.parquet") for name in ("occlusion-input",)}
    for item in found.data["items"]:
        first, second = item["by"]
        assert first["maps"] == {}
        assert found.pictures[second["maps"][1]] == files["occlusion-input"][item["name"]]
        none = item["name"] == runs[1].part("test").frame["image_id"][0]
        assert second["heat"] == dict.fromkeys((0, 1), f"{'nothing' if none else 'what'} speaks for “all”")


def test_the_pictures_keep_to_the_budget_and_maps_give_way_first(tmp_path):
    run = make_run(images=30, subjects=5)
    write_run(tmp_path, run, maps=("gradcam-layer4",))
    pictures = sum(len(base64.b64encode(one)) + 1 for one in read_pictures(tmp_path / THUMBNAILS).values())
    exact = shown([tmp_path], budget=pictures)
    assert (len(exact.data["items"]), exact.data["maps"]) == (30, [])
    assert any("heat maps gradcam-layer4" in note for note in exact.notes)
    less = shown([tmp_path], budget=pictures // 2)
    assert 10 < len(less.data["items"]) < 20
    assert sum(len(base64.b64encode(one)) + 1 for one in less.pictures) <= pictures // 2
    assert any("too large" in note for note in less.notes)
    assert shown([tmp_path], budget=2 * pictures + 10_000).data["maps"]


def test_what_is_missing_is_said_with_the_command_that_makes_it(tmp_path):
    found = shown([write_run(tmp_path, make_run(images=10, subjects=5), pictures=False)])
    assert len(found.data["items"]) == 10
    assert all(item["by"][0]["picture"] is None for item in found.data["items"])
    assert any("scripts/explain.py thumbnails" in note for note in found.notes)
    assert any("scripts/explain.py heatmaps" in note for note in found.notes)
    run = make_run(images=10, subjects=5)
    write_pictures(tmp_path / THUMBNAILS, run.part("test").frame["image_id"][:7], drawn(7), 24)
    assert any(note.startswith("3 images have no picture") for note in shown([tmp_path]).notes)


def test_an_image_without_label_is_neither_right_nor_wrong(tmp_path):
    run = make_run(images=10, subjects=5)
    run.frame.loc[run.frame["part"] == "test", "label"] = [None, *run.part("test").frame["label"][1:]]
    item = by_name(shown([write_run(tmp_path, run)]))[run.part("test").frame["image_id"][0]]
    assert (item["truth"], item["by"][0]["right"]) == (-1, None)


def test_no_test_images_are_an_empty_gallery(tmp_path):
    found = shown([write_run(tmp_path, make_predictions(part="validation"), pictures=False)])
    assert (found.data["items"], found.total) == ([], 0)


def test_more_than_two_classes_are_predicted_by_the_most_probable_one(tmp_path):
    run = make_run(images=30, subjects=10, classes=("a", "b", "c", "d"))
    found = shown([write_run(tmp_path, run)])
    test, items = run.part("test"), by_name(found)
    for row, best in enumerate(test.probabilities.argmax(axis=1)):
        said = items[test.frame["image_id"][row]]["by"][0]
        assert said["predicted"] == best == said["top"][0][0]
        assert len(said["top"]) == 3
        assert "atThreshold" not in said
    assert found.data["positive"] is None


def test_a_run_that_is_joined_of_parts_is_read_by_its_test_part_alone(tmp_path):
    run = join(make_predictions(images=5, part="validation", first=50), make_predictions(images=5, subjects=5))
    assert shown([write_run(tmp_path, run)]).total == 5
