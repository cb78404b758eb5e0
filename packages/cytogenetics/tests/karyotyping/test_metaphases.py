"""Pictures of metaphases as cells: composed ones, with a detector that gives their true boxes."""

import numpy as np
import pandas as pd
import pytest

from cytogenetics.commands.karyotype import app
from cytogenetics.karyotyping.metaphases import SCALE, cut_pictures, find_pictures, why_no_metaphase
from cytogenetics.metaphases.box_finder import BoxFinder
from cytogenetics.metaphases.data.cut_out import count_outside, cut_out
from cytogenetics.review.cell_bundle import ReviewBundle
from cytogenetics.trained.pictures import BUILT_IN
from datamodules.inference.image_files import find_image_files
from datamodules.io.decode import read_image
from tests.helpers.chromosomes import NUMBERS, bar
from tests.helpers.images import write_image
from tests.helpers.terminal import error_of, run_app

GHOST = np.array([[3, 3, 40, 30]], np.float32)


def empty_slide(width: int) -> np.ndarray:
    """A picture without a chromosome, 300 pixels high, a little darker at its sides."""
    picture = np.full((300, width), 250, np.uint8)
    picture[:, [0, -1]] = 249
    return picture


@pytest.fixture
def folder(drawn, tmp_path):
    write_image(tmp_path / "pictures" / "case1" / "one.png", drawn.pixels)
    write_image(tmp_path / "pictures" / "case1" / "white.png", empty_slide(300))
    return tmp_path / "pictures"


class TrueBoxes:
    """Knows the boxes of the drawn picture, and finds another one, which is none, with a probability of 0.2."""

    def __init__(self, drawn, cut=cut_out):
        self.drawn = drawn
        self.cut_out = cut

    def find(self, image):
        if image.shape[:2] != self.drawn.pixels.shape:
            return np.zeros((0, 4), np.float32), np.zeros(0)
        boxes = np.concatenate([[one.box for one in self.drawn.chromosomes], GHOST]).astype(np.float32)
        return boxes, np.append(np.full(len(boxes) - 1, 0.99), 0.2)


def test_the_kind_of_pictures_is_seen_from_the_pictures(drawn, folder, tmp_path):
    def read(place, wanted="auto"):
        return find_pictures(place, wanted, tmp_path / "cache", progress=False)

    for number in NUMBERS:
        write_image(tmp_path / "cell" / f"{number}.png", bar(number))
    assert read(tmp_path / "cell") is None
    assert len(read(tmp_path / "cell", "metaphases").files) == len(NUMBERS)
    (folder / "case1" / "white.png").unlink()
    assert len(read(folder).files) == 1
    assert read(folder, "chromosomes") is None
    assert read(tmp_path / "cells.csv") is None
    assert len(read(folder / "case1" / "one.png").files) == 1  # a single file can be no cell of single chromosomes


def test_chromosomes_are_cut_out_into_files_of_a_cell(drawn, folder, tmp_path):
    images = find_image_files([folder], tmp_path / "cache", progress=False)
    (tmp_path / "out").mkdir()
    cells, (one, white) = cut_pictures(images, TrueBoxes(drawn), tmp_path / "out", progress=False)
    assert [(cell.case, cell.name) for cell in cells.cells] == [("case1", "one"), ("case1", "white")]
    assert len(cells.cells[0].files) in (46, 47)  # the other box holds nothing but ground, or a speck
    assert all(file.name in one.found for file in cells.cells[0].files)
    assert {found.number for found in one.found.values()} == set(range(1, len(one.found) + 1))
    found = next(iter(one.found.values()))
    pixels = read_image(tmp_path / "out" / "chromosomes" / next(iter(one.found)))
    assert pixels.shape[0] <= found.box[3] - found.box[1] + 8
    problem = "0 chromosomes found: this is no picture of a whole metaphase, or scale it"
    assert (cells.cells[1].files, white.problem) == ((), f"case1/white.png: {problem}: {SCALE}")


def test_two_boxes_with_the_same_cut_out_are_one_chromosome(drawn, folder, tmp_path):
    def cut_twice(picture, boxes):
        cuts = cut_out(picture, boxes)
        return [*cuts[:-1], cuts[1]]  # the last box shows another chromosome once more; the first one is empty

    (tmp_path / "out").mkdir()
    images = find_image_files([folder / "case1" / "one.png"], tmp_path / "cache", progress=False)
    _, (one,) = cut_pictures(images, TrueBoxes(drawn, cut_twice), tmp_path / "out", progress=False)
    outlines = [found.outline.tolist() for found in one.found.values()]
    assert all(outlines.count(outline) == 1 for outline in outlines)


def test_too_large_pictures_are_to_be_scaled_and_nothing_is_written(tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(BoxFinder, "load", lambda *_: TrueBoxes(drawn))
    write_image(tmp_path / "large.png", empty_slide(4100))
    result = run_app(app, tmp_path / "large.png", "--output", tmp_path / "out", code=1)
    assert "4,100 x 300 pixels: scale it: a chromosome 1 has 100 to 200 pixels" in error_of(result)
    assert not (tmp_path / "out").exists()


def boxes_of(count, columns, width, height, step):
    places = np.arange(count)
    corner = np.stack([places % columns, places // columns], axis=1) * float(step)
    return np.concatenate([corner, corner + (width, height)], axis=1)


@pytest.mark.parametrize(
    ("boxes", "outside", "words"),
    [
        (boxes_of(46, 10, 40, 40, 36), 60, None),
        (boxes_of(21, 10, 40, 40, 36), 0, "21 chromosomes found: this is no picture"),
        (boxes_of(30, 10, 40, 40, 36), 70, "30 chromosomes and 70 other objects found: this is no picture"),
        (boxes_of(92, 10, 40, 40, 36), 0, "92 chromosomes found: cut pictures of several metaphases"),
        # As in a real metaphase, whose share is 0.717.
        (np.concatenate([boxes_of(33, 12, 20, 60, 70), boxes_of(13, 12, 60, 20, 70)]), 0, None),
        (boxes_of(46, 12, 20, 60, 70), 0, "as in a karyogram"),
    ],
)
def test_what_is_no_metaphase_is_said(boxes, outside, words):
    problem = why_no_metaphase(boxes, outside)
    assert (problem is None) == (words is None)
    assert words is None or words in problem


@pytest.mark.skipif(not BUILT_IN.is_dir(), reason="models/chromosomes is not there: no model is trained for it")
def test_a_picture_gets_a_karyotype_whose_chromosomes_lead_to_their_places(drawn, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(BoxFinder, "load", lambda *_: TrueBoxes(drawn))
    output = tmp_path / "out"
    run_app(app, folder, "--output", output, "batchnorm=trained", "input=metaphases")
    files = pd.read_csv(output / "chromosomes.csv", dtype={"cell": str})
    used = files[files["status"] == "used"]
    assert len(used) in (45, 46)
    assert set(files["status"]) <= {"used", "left_out"}
    true = np.array([one.box for one in drawn.chromosomes])
    distances = np.abs(used[["left", "top", "right", "bottom"]].to_numpy()[:, None] - true).max(axis=2).min(axis=1)
    assert distances.max() <= 0.1  # as rounded
    page = (output / "index.html").read_text()
    for number in used["number"].astype(int):
        assert page.count(f'-k{number}"') == 2  # the place in the karyogram, and the link to it
    cells = pd.read_csv(output / "karyotypes.csv").set_index("cell")
    assert cells.loc["white", "reason"].endswith(SCALE)
    assert pd.isna(cells.loc["white", "karyotype"])
    bundle = ReviewBundle(output)
    (stem,) = bundle.stems
    boxes = np.array([box.corners for box in bundle.cell(stem).boxes.values()])
    assert np.abs(boxes[:, None] - true).max(axis=2).min(axis=0).max() <= 0.1
    assert all((output / "chromosomes" / file.name).samefile(file.path) for file in bundle.cell(stem).files)


def test_objects_outside_all_boxes_are_counted():
    picture = np.zeros((200, 300), np.uint8)
    for left, top in ((20, 30), (100, 30), (200, 120)):
        picture[top : top + 40, left : left + 20] = 200
    boxes = np.array([[15.0, 25.0, 45.0, 75.0], [100.0, 30.0, 120.0, 45.0]])  # one whole, and less than half of one
    assert count_outside(picture, boxes) == 2
