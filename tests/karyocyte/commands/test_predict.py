"""scripts/predict.py on runs that are trained here."""

import json
import os
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from karyocyte.commands.predict import app
from karyocyte.evaluation.pooling.averaging import average
from karyocyte.evaluation.pooling.predicted_table import read_predicted
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.runs.run import Run
from tests.helpers.chromosomes import bar
from tests.helpers.images import break_image, cell_image, write_class_folders, write_image
from tests.helpers.portable import TINY
from tests.helpers.predictions import make_run
from tests.helpers.sheets import karyogram_config, write_karyograms
from tests.helpers.terminal import run_app
from tests.helpers.training import run_undrawn, small_config, write_untrained_run


@pytest.fixture(scope="module")
def sheet_images(tmp_path_factory):
    return write_karyograms(tmp_path_factory.mktemp("karyograms") / "sheets", {"normal": 20, "abnormal": 20})


@pytest.fixture(scope="module")
def sheet_runs(sheet_images):
    """One run with passes on whole karyograms that are augmented at a larger size."""
    words = [*TINY, "head.layers=[gap,{dropout: 0.5}]", "inference.mc_passes=6", "prepare.augment_at=48", "name=sheets"]
    return [run_undrawn(karyogram_config(sheet_images.parent, sheet_images, *words))]


@pytest.fixture
def predict_table(tmp_path):
    """A function that runs scripts/predict.py and returns the table and the terminal's text."""

    def run(*arguments, name="p"):
        output = tmp_path / f"{name}.csv"
        result = run_app(app, *arguments, "--output", output, NO_COLOR="1", TERM="dumb", COLUMNS="100")
        return pd.read_parquet(output.with_suffix(".parquet")), result.output

    return run


def assert_evaluated(table, metrics):
    """Assert that predictions at the threshold and calibrated probabilities follow the evaluation of the run."""
    negative, positive = metrics["classes"]
    expected = np.where(table[f"prob_{positive}"] >= metrics["thresholds"][0]["value"], positive, negative)
    assert (table["prediction_at_threshold"] == expected).all()
    powers = table[[f"calibrated_{name}" for name in metrics["classes"]]] ** metrics["calibration"]["temperatures"][0]
    plain = table[[f"prob_{name}" for name in metrics["classes"]]]
    assert np.allclose(powers.div(powers.sum(axis=1), axis=0), plain, atol=1e-6)


def assert_reviewed(table, metrics, passes=False):
    """Assert that images below the cut of the run are to be reviewed, and those for which few passes vote."""
    cut = metrics["referral"][0]["cut"]
    unsure_of_class = table["probability"] < (np.inf if cut is None else cut)
    unsure = pd.Series(False, table.index)
    if passes:
        unsure = (table["sampled_votes"] < 0.8) | (table["sampled_label"] != table["prediction"])
    assert (table["reason"].fillna("").str.contains("of the dropout passes") == unsure).all()
    assert (table["review"] == (unsure_of_class | unsure)).all()
    assert (table["reason"].fillna("").str.contains("probab") == unsure_of_class).all()
    assert table["reason"].isna().equals(~table["review"])


def assert_same_probabilities(table, predictions):
    """Assert that the table has the probabilities, passes included, of the test part of a run or an ensemble."""
    tested = predictions.part("test").frame
    rows = table.set_index("file").loc[tested["image_id"]]
    columns = tested.filter(regex="^prob_|^sampled_(prob_|vari|votes)|^uncertainty").columns
    assert np.allclose(rows[columns], tested[columns], atol=1e-5)
    return rows


@pytest.mark.parametrize("kind", ["cell", "sheet"])
def test_own_images_get_the_same_probabilities(request, predict_table, kind):
    run, images = request.getfixturevalue(f"{kind}_runs")[0], request.getfixturevalue(f"{kind}_images")
    table, output = predict_table(run, images)
    rows = assert_same_probabilities(table, Run(run).predictions)
    assert (rows["seen"] == "test").all()
    assert table["seen"].value_counts().to_dict() == Run(run).split["part"].value_counts().to_dict()
    assert ("sampled_votes" in table) == (kind == "sheet")
    assert_evaluated(table, Run(run).metrics)
    if kind == "sheet":
        assert_reviewed(table, Run(run).metrics, passes=True)
    assert f"to be reviewed: {int(table['review'].sum())} of" in output
    assert "are among those trained on" in output


def test_images_that_are_out_of_distribution_are_marked_and_come_first(cell_runs, cell_images, tmp_path, predict_table):
    _, output = predict_table(cell_runs[0], cell_images, name="few")
    assert re.search(r"are not marked:.* validation images,.* a\s+share\s+of\s+0.01\s+needs\s+99", output, re.DOTALL)
    run = Path(shutil.copytree(cell_runs[0], tmp_path / "run"))
    config = Run(run).raw_config
    config["evaluation"]["out_of_distribution"] = 0.2  # the few validation images are enough for that
    Run(run).write_config(config)
    images = Path(shutil.copytree(cell_images, tmp_path / "images"))
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    Image.fromarray(noise).save(images / "noise.png")
    table, output = predict_table(run, images, name="marked")
    scores = table.set_index("file")["out_of_distribution"]
    assert scores.idxmax() == "noise.png"
    assert scores["noise.png"] > 1
    marked = table["out_of_distribution"] > 1
    assert marked.sum() < len(table) / 2
    assert marked[: marked.sum()].all()
    assert table.loc[marked, "review"].all()
    assert table.loc[marked, "reason"].str.startswith("out of distribution").all()
    assert f"out of distribution: {marked.sum()} of" in output


def test_every_file_is_counted(cell_runs, tmp_path, predict_table):
    root = write_class_folders(tmp_path / "new", {"a": 3}, suffix=".bmp")
    break_image(write_image(root / "cut.png", cell_image(5)))
    (root / "empty.jpg").write_bytes(b"")
    (root / "gone.png").symlink_to(root / "nowhere.png")
    os.mkfifo(root / "pipe.png")
    for name in ("notes.txt", "b.txt", "README", ".DS_Store", "a/._x.png"):
        (root / name).write_text("x")
    table, output = predict_table(cell_runs[0], root)
    broken = table[table["status"] == "broken"].set_index("file")
    assert set(broken.index) == {"cut.png", "empty.jpg", "gone.png", "pipe.png"}
    assert set(table["file"]) - set(broken.index) == {f"a/s{n // 2}_{n}.bmp" for n in range(3)}
    assert broken["cause"]["pipe.png"] == "no plain file"
    assert "broken: pipe.png: no plain file" in output
    assert broken["review"].all()
    assert broken["prediction"].isna().all()
    assert re.search(r"12 files: 3 predicted \(.*\), 4 broken, 5 other files, not images: 2 .txt, 2 hidden", output)
    written = pd.read_csv(tmp_path / "p.csv")
    assert list(written["file"]) == list(table["file"])
    assert not {"sha256", "prob_all"} & set(written.columns)
    assert np.allclose(written["probability"], table["probability"], atol=1e-6, equal_nan=True)


def test_folders_zips_and_files(cell_runs, tmp_path, predict_table):
    folder = write_class_folders(tmp_path / "new", {"a": 2})
    file = write_image(tmp_path / "single.dat.png", cell_image(3))
    not_utf8 = shutil.copy(file, tmp_path / os.fsdecode(b"caf\xe9.png"))
    no_suffix = shutil.copy(file, tmp_path / "named_without_suffix")
    archive = tmp_path / "more.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.write(folder / "a" / "s0_0.png", "b/s0_0.png")
    places = [folder, file, folder / "a" / ".." / "a" / "s0_1.png", not_utf8, no_suffix, archive]
    table, _ = predict_table(cell_runs[0], *places, f"cache_dir={tmp_path / 'cache'}")
    assert (table["status"] == "predicted").all()
    first, in_zip = folder / "a" / "s0_0.png", archive / "b" / "s0_0.png"
    names = {first, folder / "a" / "s0_1.png", file, no_suffix, in_zip, tmp_path / "caf\\xe9.png"}
    assert set(table["file"]) == set(map(str, names))
    probabilities = table.set_index("file")["prob_all"]
    same_picture = probabilities[[str(first), str(in_zip)]]
    assert np.ptp(same_picture) < 1e-6  # not 0: on some processors the place in a batch decides how sums are rounded


def test_links_out_of_the_folder_are_followed_only_where_it_is_said(cell_runs, tmp_path, predict_table):
    write_image(tmp_path / "images" / "a.png", cell_image(1))
    write_image(tmp_path / "outside" / "b.png", cell_image(2))
    (tmp_path / "images" / "linked").symlink_to(tmp_path / "outside")
    table, output = predict_table(cell_runs[0], tmp_path / "images", name="closed")
    assert table["file"].tolist() == ["a.png"]
    assert "follow_links=true" in output
    table, _ = predict_table(cell_runs[0], tmp_path / "images", "follow_links=true", name="followed")
    assert sorted(table["file"]) == ["a.png", "linked/b.png"]


def write_run_of_three_classes(tmp_path, *overrides):
    """Write an untrained run of three classes with the predictions and the evaluation of a skilled one."""
    run, classes = tmp_path / "run", ("a", "b", "c")
    config = small_config(tmp_path, "model=resnet18", "model.cut=layer1", "head.logits=3", *overrides)
    write_untrained_run(run, config, classes)
    (run / "data.json").write_text(json.dumps({"classes": classes, "positive_class": None}))
    predictions = make_run(images=200, subjects=None, classes=classes, skill=3.0)
    Run(run).write_predictions(predictions)
    result = evaluate_runs([predictions], config.evaluation)
    (run / "metrics.json").write_text(json.dumps(result.to_dict()))
    Run(run).record()
    return run


def test_images_of_three_classes_are_reviewed_by_their_confidence(tmp_path, predict_table):
    run = write_run_of_three_classes(tmp_path)
    images = write_class_folders(tmp_path / "new", {"a": 3, "x": 2})
    (images / "broken.png").write_text("no image")
    table, output = predict_table(run, images)
    cut = Run(run).metrics["referral"][0]["cut"]
    predicted = table[table["status"] == "predicted"]
    assert (predicted["review"] == (predicted["probability"] < cut)).all()
    assert predicted["probability"].is_monotonic_increasing
    assert table["status"].iloc[-1] == "broken"
    assert np.allclose(table[["prob_a", "prob_b", "prob_c"]].sum(axis=1)[:5], 1)
    assert f"probability below {cut:.4g}" in output
    written, facts = read_predicted(tmp_path / "p.parquet")
    assert facts.classes == ("a", "b", "c")
    assert f"probability below {cut:.4g}" in facts.rules[0]
    assert tmp_path / written["path"][0] == images / written["file"][0]


def test_single_images_of_a_run_scaled_by_cells_are_scaled_by_their_width(tmp_path, predict_table):
    canvas = ["prepare.fit=canvas", "prepare.background=detect", "prepare.canvas={scale_by: cell, area: 100}"]
    run = write_run_of_three_classes(tmp_path, *canvas)
    for scale in (2.0, 4.0):
        write_image(tmp_path / "images" / f"{scale}.png", bar(3, scale=scale))
    table, output = predict_table(run, tmp_path / "images")
    assert "scripts/karyotype.py" in " ".join(output.split())
    assert table["status"].tolist() == ["predicted", "predicted"]


def test_several_runs_are_an_ensemble(cell_runs, cell_images, tmp_path, predict_table):
    table, _ = predict_table(*cell_runs, cell_images)
    expected = average([Run(run).predictions for run in cell_runs], list("ab"))
    assert_same_probabilities(table, expected)
    # Several runs choose the same thresholds as the ensemble.
    assert_evaluated(table, evaluate_runs([expected], small_config(tmp_path).evaluation).to_dict())


def test_ensemble_combines_its_members_by_its_fitted_weights(fitted, cell_images, tmp_path, predict_table):
    root = shutil.copytree(cell_images, tmp_path / "cells")
    (root / "broken.png").write_text("no image")
    table, output = predict_table(fitted, root)
    assert list(table["file"][table["status"] == "broken"]) == ["broken.png"]
    table = table[table["status"] == "predicted"]
    rows = assert_same_probabilities(table, Run(fitted).predictions)
    assert not np.allclose(rows["prob_all"], rows["sampled_prob_all"], atol=1e-3)
    assert_evaluated(table, Run(fitted).metrics)
    assert_reviewed(table, Run(fitted).metrics)
    assert "the ensemble was fitted on its" in output


def test_members_without_common_validation_images_choose_no_threshold(cell_runs, cell_images, tmp_path, predict_table):
    other = Run(shutil.copytree(cell_runs[1], tmp_path / "fold"))
    other.write_predictions(replace(other.predictions, frame=other.predictions.frame.iloc[1:]))
    table, output = predict_table(cell_runs[0], other.folder, cell_images)
    assert "the members share no validation part" in output
    assert table["prediction_at_threshold"].isna().all()
    assert table["review"].all()


def test_files_that_are_all_broken_are_all_reviewed(cell_runs, tmp_path, predict_table):
    write_image(tmp_path / "new" / "0.png", np.zeros((40, 40, 3), np.uint8))
    table, _ = predict_table(cell_runs[0], tmp_path / "new")
    assert table[["status", "review"]].values.tolist() == [["broken", True]]


def test_nothing_is_decided_alone_where_a_reader_seems_to_have_failed(cell_runs, tmp_path, predict_table):
    for number in range(9):
        write_image(tmp_path / "new" / f"{number}.png", cell_image(3))
    table, output = predict_table(cell_runs[0], tmp_path / "new")
    assert table["review"].all()
    assert table["reason"].str.startswith("all 9 images have one mean").all()
    assert output.count("may have been read wrongly") == 1
