"""Trained models in memory: what ``karyocyte.load`` predicts is what the commands write of files."""

import numpy as np
import pandas as pd
import pytest
import torch

import karyocyte
from datamodules.io.decode import read_image
from karyocyte.commands.predict import app as predict
from karyocyte.common.errors import UserError
from karyocyte.loaded import OF_FILES
from karyocyte.runs.run import Run
from tests.helpers.images import cell_image, write_image
from tests.helpers.terminal import run_app


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """New images: cells of several sizes, a gray one, and one that shows nothing."""
    folder = tmp_path_factory.mktemp("new") / "images"
    for number in range(6):
        write_image(folder / f"{number}.bmp", cell_image(500 + number, size=40 + 4 * number))
    write_image(folder / "6.bmp", cell_image(506)[..., 0])
    write_image(folder / "7.bmp", np.zeros((20, 20, 3), np.uint8))
    return folder


def arrays(folder):
    images = [read_image(path) for path in sorted(folder.iterdir())[:6]]
    return [*images, cell_image(506)[..., 0], np.zeros((20, 20, 3), np.uint8)]


def of_command(tmp_path, *words):
    """The table of predict.py in the order of the files."""
    run_app(predict, *words, "--output", tmp_path / "table.csv")
    return pd.read_parquet(tmp_path / "table.parquet").sort_values("file", ignore_index=True)


def assert_equal(table, other):
    pd.testing.assert_frame_equal(table.convert_dtypes(), other.convert_dtypes(), check_exact=True)


def test_arrays_are_predicted_as_files_are_by_the_command(cell_runs, portable, folder, tmp_path, capsys):
    for number, words in enumerate([cell_runs[:1], cell_runs, [portable]]):
        (tmp_path / str(number)).mkdir()
        expected = of_command(tmp_path / str(number), *words, folder)
        model = karyocyte.load(*words)
        capsys.readouterr()
        for _ in range(2):
            table = model.predict(arrays(folder))
            assert_equal(table, expected.drop(columns=OF_FILES))
        assert table["status"].tolist() == ["predicted"] * 7 + ["broken"]
        assert capsys.readouterr().out == ""
    assert model.classes == ("hem", "all")
    of_files = model.predict(sorted(folder.iterdir()))
    assert of_files["sha256"].tolist() == expected["sha256"].tolist()
    assert_equal(of_files.drop(columns=OF_FILES), model.predict(str(folder)).drop(columns=OF_FILES))


@pytest.fixture(scope="module")
def checkpoint(cell_runs):
    return Run(cell_runs[0]).best_checkpoint


def test_a_checkpoint_predicts_without_what_validation_chooses(checkpoint, portable, folder):
    model = karyocyte.load(checkpoint)
    image = arrays(folder)[0]
    mirrored = karyocyte.load(portable).predict(image)  # the mean of an image and its mirror image
    table = model.predict([image, np.fliplr(image)])
    assert mirrored["prob_all"][0] == pytest.approx(table["prob_all"].mean(), abs=1e-5)
    assert model.classes == ("hem", "all")
    assert "no temperature" in model.warnings[0]
    assert table["review"].all()
    assert table["prediction_at_threshold"].isna().all()
    assert not table.columns.str.contains("calibrated|out_of_distribution").any()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda content: content["hyper_parameters"].pop("task"), "does not know its classes"),
        (lambda content: content["hyper_parameters"].pop("head"), "does not say which classifier"),
        (lambda content: content["hyper_parameters"]["task"]["prepare"].update(old=1), "another version"),
        (lambda content: content["hyper_parameters"].update(backbone=None), "add network="),
    ],
    ids=["no task", "no classifier", "another version", "network of the user's own"],
)
def test_an_incomplete_checkpoint_is_refused(checkpoint, change, problem, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    change(content)
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match=problem):
        karyocyte.load(tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="^3 is no path: name the folder of a run"):
        karyocyte.load(checkpoint, 3)
    (tmp_path / "other.ckpt").write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(UserError, match="damaged, or no checkpoint"):
        karyocyte.load(tmp_path / "other.ckpt")


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ([], "no image"),
        (np.zeros((8, 8)), "float64"),
        ([np.ones((8, 8, 3), np.uint8), np.ones((8, 8, 4), np.uint8)], r"image 2 is uint8 of shape \(8, 8, 4\)"),
        ([np.ones((8, 8, 3), np.uint8), "new.png"], "image 2 is a str"),
        (np.ones((3, 9, 9), np.uint8), r"image 1 is uint8 of shape \(3, 9, 9\)"),
        (np.ones((9, 9, 4), np.uint8), r"image 1 is uint8 of shape \(9, 9, 4\)"),
        (None, "image 1 is a NoneType"),
        ("absent.png", "absent.png is missing"),
    ],
)
def test_what_is_no_image_is_refused(portable, images, problem):
    with pytest.raises(UserError, match=problem):
        karyocyte.load(portable).predict(images)


def test_one_image_and_a_stack_of_them_are_images(portable, folder):
    model = karyocyte.load(portable)
    image = arrays(folder)[0]
    whole = model.predict(np.stack([image, image]))
    assert_equal(model.predict(image), whole.iloc[:1])
