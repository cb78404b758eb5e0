"""scripts/predict.py of labelled images, and scripts/evaluate.py of its table."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest

from karyocyte.commands.evaluate import app as evaluate
from karyocyte.commands.predict import app as predict
from karyocyte.evaluation.pooling.predicted_table import read_predicted, write_predicted
from karyocyte.runs.run import Run
from karyocyte.workflows.evaluation.predicted_images import labelled_predictions
from tests.helpers.images import write_class_folders
from tests.helpers.terminal import error_of, run_app

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture(scope="module")
def other(tmp_path_factory, cell_runs, cell_images):
    """Other cells, with a class that the run does not know, and copies of two images of each of its parts."""
    root = write_class_folders(tmp_path_factory.mktemp("other") / "clinic", {"all": 9, "hem": 7, "debris": 2}, size=44)
    split = Run(cell_runs[0]).split
    for part in ("train", "validation", "test"):
        for row in split[split["part"] == part].groupby("label").first().reset_index().itertuples():
            shutil.copy(cell_images / row.path, root / row.label / f"copy_{part}.png")
    return root


@pytest.fixture(scope="module")
def table(tmp_path_factory, cell_runs, other):
    """The table of the other cells by one run."""
    output = tmp_path_factory.mktemp("table") / "clinic.csv"
    run_app(predict, cell_runs[0], other, "--output", output)
    return output.with_suffix(".parquet")


def test_new_images_are_evaluated_with_the_threshold_of_the_run_and_learned_ones_left_out(table, cell_runs, tmp_path):
    output = " ".join(run_app(evaluate, table, "resamples=20", "--output", tmp_path / "out").output.split())
    assert "tested on clinic (24 images)" in output
    assert "18 test images (8 “hem”, 10 “all”)" in output
    for part in ("train part: they are left out", "test part: they are not new"):
        assert f"2 of the images are of the run's {part}" in output
    assert Run(tmp_path / "out").metrics["thresholds"] == Run(cell_runs[0]).metrics["thresholds"]
    own = Run(cell_runs[0]).predictions.part("validation").frame["prob_all"]
    assert labelled_predictions(table).part("validation").frame["prob_all"].tolist() == own.tolist()


def test_a_table_in_the_folder_tells_labels_and_subjects(cell_runs, tmp_path):
    root = write_class_folders(tmp_path / "clinic", {"images": 6}, size=44)
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    labels = pd.DataFrame({"path": paths, "class": ["all", "hem", "blast"] * 2, "case_id": list("112233")})
    labels[1:].to_csv(root / "labels.csv", index=False)
    run_app(predict, cell_runs[0], root, "--output", tmp_path / "new.csv")
    predictions = labelled_predictions(tmp_path / "new.parquet")
    test = predictions.part("test").frame.sort_values("image_id").fillna({"label": "", "subject": ""})
    assert (test["label"] + test["subject"]).tolist() == ["", "hem1", "2", "all2", "hem3", "3"]
    assert any("1 image" not in note and "blast" in note for note in predictions.about["external"]["notes"])


def test_without_the_run_there_is_no_threshold_of_validation(table, tmp_path):
    rows, facts = read_predicted(table)
    write_predicted(tmp_path / "new.parquet", rows, replace(facts, model=None))
    output = run_app(evaluate, tmp_path / "new.parquet", "resamples=20", "--output", tmp_path / "out").output
    assert "18 test images" in output
    assert [threshold["value"] for threshold in Run(tmp_path / "out").metrics["thresholds"]] == [None]


def test_images_without_labels_are_not_evaluated(table, tmp_path):
    rows, facts = read_predicted(table)
    none = "has no new image with a label: name the folders of the images like the classes"
    tables = {"none": rows.drop(columns="label"), "learned": rows[rows["seen"] == "train"]}
    for name, changed in {**tables, "other": rows.assign(label="HEM")}.items():
        write_predicted(tmp_path / f"{name}.parquet", changed, facts)
        refused = run_app(evaluate, tmp_path / f"{name}.parquet", code=1)
        assert (none if name in tables else "the labels HEM are none of the classes") in error_of(refused)
