"""Files that nobody prepared: found, counted and read while a model predicts."""

import threading
import time

import numpy as np
import pytest

from common.config.schema import PrepareConfig
from datamodules.inference import predict_datamodule as given_images
from datamodules.inference.image_files import HIDDEN, find_given
from datamodules.inference.predict_datamodule import GivenImages, Reading, read, thumbnails
from datamodules.preprocessing.pipeline import prepare_image
from tests.helpers.images import cell_image, write_class_folders, write_image


def test_a_link_back_to_its_folder_is_followed_once(tmp_path):
    root = write_class_folders(tmp_path / "new", {"a": 2})
    (root / "a" / "again").symlink_to(root)
    (root / ".git").mkdir()
    (root / ".git" / "x.png").write_text("x")
    given = find_given([root, root / "a"], tmp_path / "cache")
    assert [file.path.name for file in given.files] == ["s0_0.png", "s0_1.png"]
    assert given.others == {HIDDEN: 1}
    assert given.labels(["a", "b"]) == ["a", "a"]


def test_batches_leave_broken_files_out_and_note_them(tmp_path):
    files = [write_image(tmp_path / f"{n}.png", cell_image(n)) for n in range(7)]
    for number in (0, 1, 3, 6):
        files[number].write_text("no image")
    config = PrepareConfig(size=32)
    data = GivenImages(files, config, 2)
    batches = list(data.batches())
    assert [index.tolist() for _, index in batches] == [[2], [4, 5]]
    image = batches[1][0][0].numpy().transpose(1, 2, 0)
    assert np.array_equal(image, prepare_image(cell_image(4), config))
    assert set(data.causes) == {0, 1, 3, 6}
    assert len(data.hashes) == 7
    assert len(data.predict_dataloader()) == 4


def test_few_files_are_read_ahead(tmp_path, monkeypatch):
    """However slow the model is, thousands of files do not come to lie in memory."""
    begun, lock = [], threading.Lock()

    def count(path, prepare):
        with lock:
            begun.append(path)
        return Reading(np.zeros((8, 8, 3), np.uint8), "0" * 64)

    monkeypatch.setattr(given_images, "read", count)
    served = 0
    for image, _ in GivenImages([tmp_path / f"{n}.png" for n in range(400)], PrepareConfig(size=8), 4).batches():
        time.sleep(0.001)
        served += len(image)
        assert len(begun) <= served + 4 * (given_images.BATCHES_AHEAD + 1)
    assert served == len(begun) == 400


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1)])
def test_images_of_odd_shapes_are_prepared(tmp_path, size):
    path = write_image(tmp_path / "a.png", np.full((*size, 3), 90, np.uint8))
    for settings in ({}, {"fit": "stretch", "compact": True}, {"clahe": True}, {"fit": "canvas", "crop": False}):
        found = read(path, PrepareConfig(size=16, **settings))
        assert (found.image is None) == (found.cause is not None)


def test_a_chromosome_larger_than_the_canvas_is_named(tmp_path):
    path = write_image(tmp_path / "a.png", np.full((60, 60, 3), 90, np.uint8))
    found = read(path, PrepareConfig(size=16, fit="canvas"))
    assert "the canvas 16x16" in found.cause


def test_thumbnails_keep_their_shape(tmp_path):
    files = [write_image(tmp_path / f"{n}.png", np.zeros((40, 80 + n, 3), np.uint8)) for n in range(5)]
    assert {image.shape for image in thumbnails(files, 20)} == {(10, 20, 3)}
    assert thumbnails(files[:1], 200)[0].shape == (40, 80, 3)
