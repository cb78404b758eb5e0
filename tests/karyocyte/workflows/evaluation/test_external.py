"""scripts/evaluate.py --on: runs that are trained here, evaluated on other data sets."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules.inference.run_images import from_test_part
from karyocyte.commands.evaluate import app
from karyocyte.evaluation.intervals.grouping import group_runs
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.runs.predictions import read_predictions
from karyocyte.runs.run import Run
from karyocyte.workflows.evaluation.external_images import map_classes, parse_map
from lightning_modules.build.load import load_run
from tests.helpers.images import write_class_folders
from tests.helpers.portable import TINY
from tests.helpers.terminal import error_of, run_app
from tests.helpers.training import leave_out_drawings, run_undrawn, small_config

pytestmark = pytest.mark.usefixtures("blank_figures")
MAP = ("--map", "blast=all", "healthy=hem")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("external")


@pytest.fixture(scope="module")
def runs(home):
    """Two folds of one experiment on cells in folders, with mirrored images and passes of dropout."""
    root = write_class_folders(home / "cells", {"hem": 20, "all": 20})
    data = ["data=folder", "data.positive_class=all", f"data_dir={root}", "inference.mirror=true", "name=cells"]
    passes = ["head.layers=[gap,{dropout: 0.5}]", "inference.mc_passes=4"]
    return [run_undrawn(small_config(home, *TINY, *passes, f"split.fold={fold}", data=data)) for fold in range(2)]


@pytest.fixture(scope="module")
def other(home, runs):
    """Other cells under other class names, with copies of two images of each part of the first run."""
    root = write_class_folders(home / "clinic", {"blast": 9, "healthy": 7}, size=44)
    split = Run(runs[0]).split
    for part in ("train", "validation", "test"):
        for row in split[split["part"] == part].groupby("label").first().reset_index().itertuples():
            folder = {"all": "blast", "hem": "healthy"}[row.label]
            shutil.copy(home / "cells" / row.path, root / folder / f"copy_{part}.png")
    return root


@pytest.fixture(scope="module")
def folder(home, runs, other):
    """The folder that the first run writes of the other set."""
    output = home / "outside"
    call(runs[0], "--on", "data=folder", f"data_dir={other}", *MAP, "--output", output, "--csv", home / "rows.csv")
    return output


@pytest.fixture(autouse=True)
def no_drawings(monkeypatch):
    """Leave the drawings out, but for the folder of the fixture ``folder``, which is made before."""
    leave_out_drawings(monkeypatch)


def call(*arguments, code=0):
    return run_app(app, "resamples=20", *arguments, code=code, NO_COLOR="1", TERM="dumb", COLUMNS="100")


def refused(*arguments):
    return error_of(call(*arguments, code=1))


def test_copies_of_test_images_have_the_same_probabilities(folder, runs):
    frames = []
    for place in (folder, runs[0]):
        hashes = Run(place).split.drop_duplicates("image_id").set_index("image_id")["sha256"]
        frame = Run(place).predictions.part("test").frame
        frames.append(frame.assign(sha256=hashes[frame["image_id"]].to_numpy()))
    both = frames[0].merge(frames[1], on="sha256", suffixes=("", "_own"))
    assert len(both) == 2
    assert both["label"].tolist() == both["label_own"].tolist()
    assert np.allclose(both["prob_all"], both["prob_all_own"], atol=1e-5)
    assert np.allclose(both["sampled_prob_all"], both["sampled_prob_all_own"], atol=0.2)
    model, again = load_run(runs[0]).classifier, load_run(folder).classifier
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))


def test_batchnorm_statistics_of_the_images_are_recorded(folder, runs, other, tmp_path):
    place = tmp_path / "adapted"
    call(runs[0], "--on", "data=folder", f"data_dir={other}", *MAP, "--batchnorm", "images", "--output", place)
    adapted, trained = read_predictions(place), read_predictions(folder)
    assert adapted.about["on"] == "clinic (folder, 22 images, BatchNorm of the images)"
    assert any("BatchNorm statistics: of 18 " in note for note in adapted.about["external"]["notes"])
    probabilities = [each.part("test").frame["prob_all"] for each in (adapted, trained)]
    assert not np.allclose(*probabilities, atol=1e-4)


def test_learned_images_are_left_out_and_counted(folder):
    predictions = read_predictions(folder)
    test, about = predictions.part("test").frame, predictions.about
    assert test["label"].value_counts().to_dict() == {"all": 10, "hem": 8}  # the new ones, and copies of the test part
    assert not test["image_id"].str.contains("copy_train|copy_validation").any()
    left = {"unlabelled": 0, "classes": {}, "train": 2, "validation": 2}
    assert about["external"]["left_out"] == left
    assert (about["external"]["images"], about["external"]["tested"], about["external"]["in_own_test"]) == (22, 18, 2)
    assert about["on"] == "clinic (folder, 22 images)"
    assert (about["source"], about["test"], about["fold"]) == ("folder", None, 0)
    warnings = "\n".join(warning["text"] for warning in Run(folder).metrics["warnings"])
    assert "2 of its images are of the run's train part" in warnings
    assert "2 of the images are of the run's own test part" in warnings


def test_validation_threshold_and_temperature_are_those_of_the_run(folder, runs):
    validation, own = (Run(place).predictions.part("validation").frame for place in (folder, runs[0]))
    own = own.filter(regex="^(?!baseline_)")  # baselines are not fitted for other data
    pd.testing.assert_frame_equal(validation[own.columns], own, check_dtype=False)
    outside, inside = (Run(place).metrics for place in (folder, runs[0]))
    assert all(outside[key] == inside[key] for key in ("thresholds", "validation", "classes", "positive_class"))
    assert outside["calibration"]["temperatures"] == inside["calibration"]["temperatures"]


def test_folder_is_one_of_a_finished_run(folder, other, runs):
    assert Run(folder).is_finished
    assert Run(folder).status.tested == "/".join(runs[0].parts[-3:])  # without the folders of the machine
    for name in ("roc.png", "examples.png", "thumbnails.parquet", "metrics.csv", "data.json", "environment.json"):
        assert (folder / name).is_file(), name
    config = Run(folder).raw_config
    own = Run(runs[0]).raw_config
    assert {key for key in own if own[key] != config[key]} == {"data", "data_dir"}
    samples = from_test_part(folder, 4, progress=False)
    assert samples.labels == ("all", "hem", "all", "hem")
    assert all(name.startswith(("blast/", "healthy/")) for name in samples.names)
    text = call(folder).output
    assert "trained on folder · tested on clinic (folder, 22 images)" in text
    assert "18 test images (8 “hem”, 10 “all”)" in text
    assert read_predictions(folder).part("test").frame["path"].map(lambda path: (other / path).is_file()).all()


def test_rows_of_the_other_data_set_are_added(folder, home):
    rows = pd.read_csv(home / "rows.csv")
    assert set(rows["tested_on"]) == {"clinic (folder, 22 images)"}
    accuracy = rows.set_index("metric").loc["accuracy"]
    result = EvaluationResult.from_dict(Run(folder).metrics)
    assert (accuracy["source"], accuracy["images"]) == ("folder", 18)
    assert accuracy["value"] == pytest.approx(result.metrics["accuracy"].value, abs=1e-6)


def test_each_fold_is_evaluated_alone(runs, tmp_path):
    root = write_class_folders(tmp_path / "new", {"blast": 8, "healthy": 8, "debris": 3}, size=44)
    output = tmp_path / "out"
    text = call(*runs, "--on", "data=folder", f"data_dir={root}", *MAP, "debris=", "--output", output).output
    folders = [output / run.relative_to(runs[0].parents[1]) for run in runs]
    predictions = [read_predictions(place) for place in folders]
    assert [len(of_fold.part("test").frame) for of_fold in predictions] == [16, 16]
    assert [of_fold.about["external"]["left_out"]["classes"] for of_fold in predictions] == [{"debris": 3}] * 2
    assert "19 images: 16 evaluated, 3 left out" in text
    assert "each run is evaluated alone" in text
    groups = group_runs(predictions, list(map(str, folders)))
    assert [group.label for group in groups] == ["cells, fold 0", "cells, fold 1"]


def test_ids_of_both_sets_are_distinguished(runs, tmp_path):
    root = write_class_folders(tmp_path / "same", {"hem": 20, "all": 20}, size=44)
    output = tmp_path / "out"
    call(runs[0], "--on", "data=folder", f"data_dir={root}", "--output", output)
    predictions = read_predictions(output)
    assert predictions.frame["image_id"].is_unique
    assert len(predictions.part("test").frame) == 40
    assert predictions.part("validation").frame["image_id"].str.endswith(" (validation)").all()
    own = read_predictions(runs[0]).part("validation").frame
    assert predictions.part("validation").frame["prob_all"].tolist() == own["prob_all"].tolist()
    assert from_test_part(output, 40, progress=False).names


def test_a_run_of_strangers_calls_nothing_that_it_names(runs, other, tmp_path):
    folder = Run(shutil.copytree(runs[0], tmp_path / "run")).folder
    values = Run(folder).raw_config
    evil = {"evil": {"_target_": "absent.module.function"}}  # an error, if it were looked for
    values["evaluation"] |= {"extra": evil}
    Run(folder).write_raw_config(values)
    call(folder, "--on", "data=folder", f"data_dir={other}", *MAP, "--output", tmp_path / "out")
    assert "evil" not in Run(tmp_path / "out").config.evaluation.extra


def test_unsuitable_runs_and_data_sets_are_errors(runs, folder, other, home, tmp_path):
    on = ["--on", "data=folder", f"data_dir={other}", *MAP]
    output = ["--output", tmp_path / "out"]
    learned = tmp_path / "learned"
    for row in Run(runs[0]).split.query("part == 'train'").itertuples():
        (learned / row.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(home / "cells" / row.path, learned / row.label)
    before = (folder / "predictions.parquet").read_bytes()
    without_map = ["--on", "data=folder", f"data_dir={other}"]
    assert "the run has no class blast, healthy, it has hem, all" in refused(runs[0], *without_map, *output)
    assert f"name the run itself, {runs[0].resolve()}" in refused(folder, *on, *output)
    assert "every image of learned" in refused(runs[0], "--on", "data=folder", f"data_dir={learned}", *output)
    assert str(folder) in refused(runs[0], *on, "--output", folder)
    assert (folder / "predictions.parquet").read_bytes() == before


def test_pairs_are_read():
    assert parse_map(["blast_1=all", "platelet="]) == {"blast_1": "all", "platelet": None}


def test_several_classes_may_become_one_one_may_be_left_out_and_others_keep_their_names():
    mapping = {"lymphocyte": "hem", "monocyte": "hem", "platelet": None}
    mapped = map_classes(["lymphocyte", "monocyte", "platelet", "all"], ["hem", "all"], mapping)
    assert mapped == {**mapping, "all": "all"}
