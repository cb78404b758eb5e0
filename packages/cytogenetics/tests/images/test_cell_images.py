"""The pictures of a cell: broken, left out and repeated files, and the scale of the others."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from cytogenetics.images.cell_images import FileStatus, prepare_files, read_cell, used_files
from cytogenetics.images.cells import find_cells
from karyocyte.config.data import CanvasConfig, PrepareConfig
from tests.helpers.chromosomes import NUMBERS, bar
from tests.helpers.images import break_image, cell_image, write_image

CANVAS = CanvasConfig(scale_by="cell", area=200, oversize="shrink")
CONFIG = PrepareConfig(size=(64, 32), background="detect", fit="canvas", crop_threshold=20, canvas=CANVAS)


def photo(height=60, width=40):
    """Noise without any ground."""
    noise = np.random.default_rng(0).integers(100, 200, (12, 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def karyogram():
    """Twelve bars on one sheet."""
    return np.concatenate([np.concatenate([bar(3)] * 4, axis=1)] * 3, axis=0)


@pytest.fixture
def cell_folder(tmp_path):
    """A cell of 24 chromosomes, ``01.png`` to ``24.png``."""
    for number in NUMBERS:
        write_image(tmp_path / "cell" / f"{number:02d}.png", bar(number, white=True))
    return tmp_path / "cell"


def read(folder, tmp_path, config=CONFIG):
    (cell,) = find_cells(folder, tmp_path / "cache", progress=False).cells
    with ThreadPoolExecutor(2) as pool:
        return {file.file.name: file for file in read_cell(cell, config, pool)}


NO_CHROMOSOME = {
    "photo.png": (photo(), "photograph"),
    "blank.png": (np.pad(np.full((48, 28, 3), 255, np.uint8), ((1, 1), (1, 1), (0, 0)), constant_values=254), "blank"),
    "karyogram.png": (255 - karyogram(), "12 separate objects"),
    "dot.png": (255 - cell_image(0, size=16, border=7), "median"),
    "blown_up.png": (bar(1, scale=6.0, white=True), "median"),
    "phone.png": (cv2.resize(bar(1), (2000, 1600)), "pixels"),
}


@pytest.mark.parametrize("name", NO_CHROMOSOME)
def test_pictures_of_no_chromosome_are_left_out(cell_folder, tmp_path, name):
    pixels, cause = NO_CHROMOSOME[name]
    write_image(cell_folder / name, pixels)
    files = read(cell_folder, tmp_path)
    assert files[name].status is FileStatus.LEFT_OUT
    assert cause in files[name].cause
    assert files[name].pixels is None
    assert {file.status for file in files.values() if file is not files[name]} == {FileStatus.USED}


def test_broken_files_and_duplicates_are_told_apart(cell_folder, tmp_path):
    shutil.copy(cell_folder / "01.png", cell_folder / "25.png")
    break_image(write_image(cell_folder / "26.png", bar(3)))
    (cell_folder / "27.png").write_bytes(b"")
    os.mkfifo(cell_folder / "28.png")
    (cell_folder / "29.png").symlink_to("nowhere.png")
    files = read(cell_folder, tmp_path)
    assert files["25.png"].status is FileStatus.DUPLICATE
    assert "01.png" in files["25.png"].cause
    for number in (26, 27, 28, 29):
        assert files[f"{number}.png"].status is FileStatus.BROKEN
        assert files[f"{number}.png"].cause
    assert sum(file.status is FileStatus.USED for file in files.values()) == 24


@pytest.mark.parametrize("change", ["padded", "mirrored", "upside down", "compressed"])
def test_nearly_the_same_picture_is_a_duplicate(cell_folder, tmp_path, change):
    pixels = cv2.imread(str(cell_folder / "03.png"))
    if change == "padded":
        write_image(cell_folder / "25.png", np.pad(pixels, ((5, 5), (9, 9), (0, 0)), constant_values=255))
    elif change == "mirrored":
        write_image(cell_folder / "25.png", pixels[:, ::-1])
    elif change == "upside down":
        write_image(cell_folder / "25.png", pixels[::-1, ::-1])
    else:
        cv2.imwrite(str(cell_folder / "25.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    write_image(cell_folder / "26.png", bar(3, seed=1, white=True))  # its homologue
    files = read(cell_folder, tmp_path)
    (duplicate,) = (name for name, file in files.items() if file.status is FileStatus.DUPLICATE)
    assert duplicate.startswith("25.")
    assert files[duplicate].cause == "the same picture as 03.png"


def test_files_that_are_not_used_do_not_change_the_scale(cell_folder, tmp_path):
    def prepared():
        with ThreadPoolExecutor(2) as pool:
            return prepare_files(used_files([*read(cell_folder, tmp_path).values()]), CONFIG, pool)

    before = prepared()
    for name, (pixels, _) in NO_CHROMOSOME.items():
        write_image(cell_folder / name, pixels)
    shutil.copy(cell_folder / "01.png", cell_folder / "again.png")
    assert np.array_equal(prepared(), before)
