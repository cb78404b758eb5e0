"""The gallery: which images are shown, the prediction of each, how many bytes their pictures take, and pseudonyms."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.pages.thumbnails import read_pictures
from karyocyte.evaluation.sections.examples import showcase
from karyocyte.runs.files import RunFile
from karyocyte.workflows.report import sources
from karyocyte.workflows.report.gallery import gallery, pseudonyms
from karyocyte.workflows.report.sources import read_chapters
from tests.helpers.predictions import make_run
from tests.karyocyte.workflows.report.reports import write_run


@pytest.fixture
def make(monkeypatch):
    """Make a gallery, without an evaluation: of a result it takes the classes alone."""

    def classes_of(runs):
        result = SimpleNamespace(classes=list(runs.test.classes), positive_class=runs.pooled.positive_class)
        return SimpleNamespace(result=result, figures={})

    def make(*folders, images=1000):
        return gallery(read_chapters(list(folders)), images)

    monkeypatch.setattr(sources, "evaluate_labelled", classes_of)
    return make


def by_name(shown):
    names = shown.key.set_index("shown")["image_id"]
    return {names[item["name"]]: item for item in shown.data["items"]}


@pytest.mark.parametrize("classes", [("hem", "all"), ("a", "b", "c", "d")])
def test_each_image_has_its_truth_prediction_and_picture(make, tmp_path, classes):
    run = make_run(images=40, subjects=10, classes=classes)
    shown = make(write_run(tmp_path, run))
    test = run.part("test")
    items = by_name(shown)
    pictures = read_pictures(tmp_path / RunFile.THUMBNAILS)
    subjects = pseudonyms(test.frame.set_index("image_id")["subject"])["subject"]
    assert set(items) == set(test.frame["image_id"])
    for row, predicted in enumerate(call(test.probabilities, test.positive_index)):
        item = items[test.frame["image_id"][row]]
        (prediction,) = item["by"]
        assert (item["truth"], item["subject"]) == (test.labels[row], subjects[test.frame["image_id"][row]])
        assert prediction["predicted"] == predicted == prediction["top"][0][0]
        assert prediction["right"] == (predicted == test.labels[row])
        assert prediction["probability"] == test.probabilities[row, predicted].round(4)
        assert prediction["uncertainty"] == test.frame["uncertainty"][row].round(4)
        assert [value for _, value in prediction["top"]] == sorted(test.probabilities[row].round(4))[:-4:-1]
        assert shown.pictures[prediction["picture"]] == pictures[test.frame["image_id"][row]]
        assert len(prediction["top"]) == min(3, len(classes))
    assert shown.data["classes"] == list(classes)
    assert shown.data["positive"] == (1 if len(classes) == 2 else None)


def test_the_most_uncertain_tenth_is_doubtful(make, tmp_path):
    shown = make(write_run(tmp_path, make_run(images=40, subjects=10)))
    predictions = pd.DataFrame([item["by"][0] for item in shown.data["items"]])
    doubtful = predictions.loc[predictions["doubtful"], "uncertainty"]
    assert len(doubtful) == 4
    assert doubtful.min() > predictions.loc[~predictions["doubtful"], "uncertainty"].max()


def test_of_equally_uncertain_images_none_is_less_doubtful_than_another(make, tmp_path):
    run = make_run(images=40, subjects=10)
    shown = make(write_run(tmp_path, replace(run, frame=run.frame.assign(uncertainty=0.5))))
    assert all(item["by"][0]["doubtful"] for item in shown.data["items"])


def test_examples_and_wrong_images_come_first_then_doubtful_ones_then_a_sample(make, tmp_path):
    run = make_run(images=60, subjects=12, skill=1.0)
    items = by_name(make(write_run(tmp_path, run)))
    examples = {name for name, item in items.items() if item["by"][0]["example"]}
    test = run.part("test")
    assert examples == set(test.frame["image_id"].iloc[[row for row, _ in showcase(test, 3)]])
    wrong = {name for name, item in items.items() if item["by"][0]["right"] is False}
    doubtful = {name for name, item in items.items() if item["by"][0]["doubtful"]}
    few = make(tmp_path, images=len(wrong) - 1)
    assert examples < set(by_name(few)) < wrong | examples
    assert f"{len(wrong) - 1} of 60" in few.notes[0]
    more = list(by_name(make(tmp_path, images=len(wrong | doubtful) + 3)))
    assert wrong | doubtful < set(more)
    assert set(more[: len(wrong)]) == wrong
    assert more == list(by_name(make(tmp_path, images=len(wrong | doubtful) + 3)))


def test_experiments_share_their_pictures_and_folds_have_their_own(make, tmp_path):
    folds = make(*(write_run(tmp_path / f"{fold}", make_run(fold, images=20, subjects=5)) for fold in range(3)))
    assert folds.total == 60
    assert all(item["by"][0]["picture"] is not None for item in folds.data["items"])
    runs = [make_run(images=20, subjects=5, skill=skill, about={"name": name}) for skill, name in ((2, "a"), (0, "b"))]
    shown = make(*(write_run(tmp_path / run.about["name"], run) for run in runs))
    assert shown.data["chapters"] == ["a", "b"]
    assert len(shown.pictures) == 20
    missed = [[prediction["right"] for prediction in item["by"]].count(False) for item in shown.data["items"]]
    assert missed == sorted(missed, reverse=True)


def test_heat_maps_belong_to_their_method_and_experiment(make, tmp_path):
    runs = {name: make_run(images=10, subjects=5, about={"name": name}) for name in ("a", "b")}
    write_run(tmp_path / "a", runs["a"])
    write_run(tmp_path / "b", runs["b"], maps=("gradcam-layer4", "occlusion-input"))
    shown = make(tmp_path / "a", tmp_path / "b")
    assert shown.data["maps"] == [{"chapter": 1, "label": name} for name in ("gradcam-layer4", "occlusion-input")]
    pictures = read_pictures(tmp_path / "b" / "heatmaps" / "occlusion-input.parquet")
    first_image = runs["b"].part("test").frame["image_id"][0]
    for name, item in by_name(shown).items():
        first, second = item["by"]
        assert first["maps"] == {}
        assert shown.pictures[second["maps"][1]] == pictures[name]
        verb = "nothing" if name == first_image else "what"
        assert second["heat"] == dict.fromkeys((0, 1), f"{verb} speaks for “all”")


def test_an_image_without_label_is_neither_right_nor_wrong(make, tmp_path):
    run = make_run(images=10, subjects=5)
    run.frame.loc[run.frame["part"] == "test", "label"] = [None, *run.part("test").frame["label"][1:]]
    item = by_name(make(write_run(tmp_path, run)))[run.part("test").frame["image_id"][0]]
    assert (item["truth"], item["by"][0]["right"]) == (-1, None)


def subjects_by_image(subjects):
    return pd.Series(subjects, [f"UID_{number}_{subject}" for number, subject in enumerate(subjects)], dtype=object)


@given(st.lists(st.sampled_from(["17", "4", "H2", "ward7", None]), min_size=1, max_size=40), st.randoms())
def test_every_image_has_a_pseudonym_of_its_own_that_names_its_subject_and_no_more(subjects, random):
    images = subjects_by_image(subjects)
    names = pseudonyms(images).loc[images.index]
    assert names["name"].is_unique
    assert names["subject"].nunique() == images.nunique()
    assert (names["subject"].isna() == images.isna()).all()
    for name, subject in names.itertuples(index=False):
        assert name.startswith(f"{subject}-" if subject else "I")
    assert not names["name"].str.contains("UID|ward7").any()
    # The order of the rows does not matter: the same images have the same names in every report.
    shuffled = images.sample(frac=1, random_state=random.randrange(1000))
    pd.testing.assert_frame_equal(pseudonyms(shuffled).loc[images.index], names)


def test_pseudonyms_are_numbered_in_another_order_than_the_names():
    assert set(pseudonyms(subjects_by_image(["4", "4", None]))["name"]) == {"S001-01", "S001-02", "I0001"}
    images = subjects_by_image([f"{number:03d}" for number in range(50)])
    assert not pseudonyms(images)["subject"][images.index].is_monotonic_increasing
