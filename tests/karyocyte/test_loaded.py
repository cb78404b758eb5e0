"""Trained models in memory: what ``karyocyte.load`` predicts is what the commands write of files."""

import numpy as np
import pandas as pd
import pytest

import karyocyte
from datamodules.io.decode import read_image
from karyocyte.commands.export import app as export
from karyocyte.commands.predict import app as predict
from karyocyte.common.errors import UserError
from karyocyte.loaded import OF_FILES
from tests.helpers.images import cell_image, write_class_folders, write_image
from tests.helpers.portable import train_on_cells
from tests.helpers.terminal import run_app


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on the same folders of cells, the second exported, too."""
    return train_on_cells(write_class_folders(tmp_path_factory.mktemp("cells") / "cells", {"hem": 24, "all": 24}))


@pytest.fixture(scope="module")
def portable(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "model"
    run_app(export, runs[0], "--output", folder)
    return folder


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
    """The table of predict.py in the order of the files, without what is known of files."""
    run_app(predict, *words, "--output", tmp_path / "table.csv")
    table = pd.read_parquet(tmp_path / "table.parquet").sort_values("file", ignore_index=True)
    return table.drop(columns=OF_FILES)


def assert_equal(table, other):
    pd.testing.assert_frame_equal(table.convert_dtypes(), other.convert_dtypes(), check_exact=True)


def test_a_run_an_ensemble_and_a_portable_model_predict_arrays_as_the_command_does_files(
    runs, portable, folder, tmp_path, capsys
):
    for number, words in enumerate([runs[:1], runs, [portable]]):
        (tmp_path / str(number)).mkdir()
        expected = of_command(tmp_path / str(number), *words, folder)
        model = karyocyte.load(*words)
        capsys.readouterr()
        for _ in range(2):
            table = model.predict(arrays(folder))
            assert_equal(table, expected)
        assert table["status"].tolist() == ["predicted"] * 7 + ["broken"]
        assert capsys.readouterr().out == ""
    assert model.classes == ("hem", "all")


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ([], "no image"),
        (np.zeros((8, 8)), "float64"),
        ([np.ones((8, 8, 3), np.uint8), np.ones((8, 8, 4), np.uint8)], r"image 2 is uint8 of shape \(8, 8, 4\)"),
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
