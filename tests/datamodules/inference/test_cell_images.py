"""The pictures of a cell: broken, foreign and repeated files, and the scale of the others."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from common.config.compose import check_config
from common.config.data import CanvasConfig, PrepareConfig
from datamodules.inference.cell_images import FileStatus, cell_scales, leave_out, prepare_files, read_cell
from datamodules.inference.cells import CellColumns, find_cells
from datamodules.inference.foreign_images import FEWEST, LARGEST, SMALLEST, outline_of, why_far_from_size
from datamodules.preprocessing.cache import prepared_images
from datamodules.sources import scan
from tests.helpers.chromosomes import NUMBERS, bar, write_chromosomes
from tests.helpers.images import break_image, cell_image, write_image
from tests.helpers.real_data import real_data
from tests.helpers.training import composed

CONFIG = PrepareConfig(
    size=(64, 32),
    background="detect",
    fit="canvas",
    crop_threshold=20,
    canvas=CanvasConfig(scale_by="cell", area=200, oversize="shrink"),
)


def photo(height=60, width=40):
    """Noise without any ground."""
    noise = np.random.default_rng(0).integers(100, 200, (6, 4, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)


def karyogram():
    """Twelve bars on one sheet."""
    return np.concatenate([np.concatenate([bar(3)] * 4, axis=1)] * 3, axis=0)


@pytest.fixture
def cell_folder(tmp_path):
    """A cell of 24 chromosomes, ``01.png`` to ``24.png``."""
    for number in NUMBERS:
        write_image(tmp_path / "cell" / f"{number:02d}.png", bar(number, white=True))
    return tmp_path / "cell"


def read(folder, tmp_path, config=CONFIG, fixed=None):
    (cell,) = find_cells(folder, CellColumns(), tmp_path / "cache", progress=False).cells
    with ThreadPoolExecutor(2) as pool:
        return {file.file.name: file for file in read_cell(cell, config, fixed or {}, pool)}


FOREIGN = {
    "photo.png": (photo(), "photograph"),
    "blank.png": (np.full((50, 30, 3), 255, np.uint8), "blank"),
    "karyogram.png": (255 - karyogram(), "12 separate objects"),
    "dot.png": (255 - cell_image(0, size=16, border=7), "median"),
    "blown_up.png": (bar(1, scale=6.0, white=True), "median"),
    "phone.png": (cv2.resize(bar(1), (2000, 1600)), "pixels"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_pictures_are_left_out(cell_folder, tmp_path, name):
    pixels, cause = FOREIGN[name]
    write_image(cell_folder / name, pixels)
    files = read(cell_folder, tmp_path)
    assert files[name].status is FileStatus.FOREIGN
    assert cause in files[name].cause
    assert files[name].pixels is None
    assert {file.status for file in files.values() if file is not files[name]} == {FileStatus.USED}
    assert read(cell_folder, tmp_path, fixed={name: 0})[name].status is FileStatus.USED


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


def test_files_that_are_not_used_do_not_change_the_scale(cell_folder, tmp_path):
    def scale():
        used = [file for file in read(cell_folder, tmp_path).values() if file.status is FileStatus.USED]
        return cell_scales(used, CONFIG)

    before = scale()
    for name, (pixels, _) in FOREIGN.items():
        write_image(cell_folder / name, pixels)
    (cell_folder / "broken.png").write_text("no image")
    shutil.copy(cell_folder / "01.png", cell_folder / "again.png")
    assert np.array_equal(scale(), before)
    assert before == pytest.approx(before[0])


def test_the_files_of_a_cell_that_are_used_have_one_range_of_values(tmp_path):
    """12 bits, of which the darkest chromosome uses 10; a photograph of 16 bits is left out."""
    for number in NUMBERS:
        factor = 4 if number == 21 else 16
        write_deep(tmp_path / "cell" / f"{number:02d}.png", bar(number)[..., 0].astype(np.uint16) * factor)
    darkest = read(tmp_path / "cell", tmp_path)["21.png"]
    assert np.abs(darkest.pixels - bar(21) * (4 * 255 / 4095)).max() <= 1
    write_deep(tmp_path / "cell" / "photo.png", photo()[..., 0].astype(np.uint16) * 300)
    files = read(tmp_path / "cell", tmp_path)
    assert files["photo.png"].status is FileStatus.FOREIGN
    assert np.array_equal(files["21.png"].pixels, darkest.pixels)
    assert files["21.png"].area == darkest.area == outline_of(darkest.pixels, CONFIG).area


@pytest.mark.parametrize("when", ["fixed", "later"])
def test_a_file_that_is_left_out_does_not_change_the_range(tmp_path, when):
    """12 bits; a chromosome of 16 bits makes the others dark as long as it is used."""
    for number in NUMBERS:
        write_deep(tmp_path / "cell" / f"{number:02d}.png", bar(number)[..., 0].astype(np.uint16) * 16)
    alone = read(tmp_path / "cell", tmp_path)
    write_deep(tmp_path / "cell" / "deep.png", bar(5, seed=1)[..., 0].astype(np.uint16) * 257)
    files = read(tmp_path / "cell", tmp_path)
    assert files["01.png"].pixels.max() < 20
    if when == "fixed":
        files = read(tmp_path / "cell", tmp_path, fixed={"deep.png": None})
    else:
        files = {file.file.name: file for file in leave_out(list(files.values()), {"deep.png"}, "cause", CONFIG)}
    assert files["deep.png"].status is FileStatus.FOREIGN
    for name, file in alone.items():
        assert np.array_equal(files[name].pixels, file.pixels)
        assert files[name].area == file.area


def write_deep(path, values):
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), values)


@pytest.mark.parametrize("scale_by", ["cell", "image"])
def test_prepared_as_in_training(tmp_path, scale_by):
    root = write_chromosomes(tmp_path / "data", cases=2)
    overrides = ["data=chromosomes", "prepare.fit=canvas", "prepare.size=[64,32]", "prepare.background=detect"]
    overrides += ["prepare.canvas.area=200", f"prepare.canvas.scale_by={scale_by}", "prepare.canvas.oversize=shrink"]
    config = check_config(composed(overrides))
    manifest = scan(config.data, str(root), tmp_path / "cache", progress=False)
    expected = prepared_images(manifest, config.prepare, tmp_path / "cache", progress=False)
    frame = manifest.frame
    columns = CellColumns(case="case_id")
    with ThreadPoolExecutor(2) as pool:
        for cell in find_cells(root / "labels.csv", columns, tmp_path / "cache").cells:
            files = read_cell(cell, config.prepare, {}, pool)
            images = prepare_files(files, cell_scales(files, config.prepare), config.prepare, pool)
            rows = [frame.index[frame["path"] == file.file.name][0] for file in files]
            assert np.array_equal(images, expected[rows])


def test_few_pictures_have_no_usual_size():
    assert why_far_from_size([1] * (FEWEST - 2) + [1000]) == [None] * (FEWEST - 1)
    assert why_far_from_size([]) == []
    areas = [100] * FEWEST
    for share in (SMALLEST, LARGEST):
        assert why_far_from_size([*areas, round(share * 100)])[-1] is None
    assert why_far_from_size([*areas, round(0.9 * SMALLEST * 100)])[-1]
    assert why_far_from_size([*areas, round(1.1 * LARGEST * 100)])[-1]


@pytest.mark.parametrize("name", ["chromosomes_612cells", "chromosomes_119cells"])
def test_real_chromosomes_are_not_foreign(name, tmp_path):
    columns = CellColumns()
    cells = find_cells(next(real_data(name).rglob("labels.csv")), columns, tmp_path).cells[:20]
    config = CONFIG.model_copy(update={"crop_threshold": 10})
    with ThreadPoolExecutor(2) as pool:
        files = [file for cell in cells for file in read_cell(cell, config, {}, pool)]
    assert len(files) > 900
    assert {file.cause for file in files if file.status is not FileStatus.USED} == set()
