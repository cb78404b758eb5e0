"""The page of karyotypes."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from datamodules.inference.cell_images import CellFile, FileStatus
from datamodules.inference.cells import Cell
from datamodules.inference.image_files import ImageFile
from karyocyte.evaluation.cells.cell_karyotype import karyotype_of_cell
from karyocyte.evaluation.cells.prior import KaryotypePriors
from karyocyte.workflows.karyotyping.cell_result import CellResult
from karyocyte.workflows.karyotyping.page import PageFacts, write_karyotype_page
from karyocyte.workflows.karyotyping.tables import Tables
from karyocyte.workflows.review.cell_bundle import ReviewedCell, write_cell
from tests.karyocyte.evaluation.cells.cells import karyotype
from tests.karyocyte.evaluation.cells.test_assignment import sure

PRIORS = KaryotypePriors()
FACTS = PageFacts("Karyotypes of <cells>", ["3 cells", "a <note>"], ["a <b>warning</b>"], 0.95)


def entry(name, labels, wrong=1e-5, case=None):
    """The result of a cell, whose last file is left out."""
    cell = karyotype_of_cell(sure(labels, wrong=wrong), PRIORS, {}, 0.95)
    names = [f"{name}/{number}.png" for number in range(len(cell.calls))]
    files = [CellFile(ImageFile(Path(file), file, ()), FileStatus.USED) for file in names]
    photo = ImageFile(Path("photo"), f"{name}/<photo>.jpg", ())
    files.append(CellFile(photo, FileStatus.FOREIGN, "no background"))
    return CellResult(Cell(name, case, ()), name, files=tuple(files), karyotype=cell)


@pytest.fixture
def page(tmp_path):
    def write(*entries):
        write_karyotype_page(tmp_path / "index.html", Tables.of(entries, {}, PRIORS), FACTS, entries)
        return (tmp_path / "index.html").read_text()

    return write


def test_cells_are_in_order_with_karyotype_reasons_and_picture(page):
    text = page(entry("down", karyotype("XY", ["21"])), entry("turner", karyotype("X"), wrong=1e-3), entry("no", []))
    # First that without an image, then by expected errors.
    assert re.findall(r"<h3>(\w+)", text) == ["no", "turner", "down"]
    assert (
        re.findall(r'data-stem="(\w+)"', text) == ["turner", "down"] * 2
    )  # nobody approves a cell without a karyotype
    assert re.findall(r'<td class="figure">(no image|expected wrong: [^<]+)</td>', text)[0] == "no image"
    for words in ("45,X", "47,XY,+21", "trisomy", "Turner", "no karyotype", "no chromosome can be read", "47 used"):
        assert words in text
    assert re.findall(r'<img src="([^"]+)"', text) == ["karyograms/turner.png", "karyograms/down.png"]


def test_a_cell_in_doubt_is_before_one_that_lacks_a_chromosome(page):
    text = page(entry("lost", karyotype("XX", lost=["20"])), entry("unsure", karyotype(), wrong=0.6))
    assert re.findall(r"<h3>(\w+)", text) == ["unsure", "lost"]
    assert text.count("expected wrong: 0.00 of 45") == 1


def test_nothing_is_loaded_from_elsewhere_and_names_are_no_markup(page):
    text = page(entry("down", karyotype("XY", ["21"])))
    assert not re.findall(r'(?:src|href)="(?!data:|#|karyograms/)', text)
    for markup in ("<photo>", "<b>warning</b>", "<note>", "<cells>"):
        assert markup not in text
    assert "&lt;photo&gt;" in text
    assert text.count('class="notice bad"') == 1


def test_doubts_and_files_that_are_not_used_are_listed(page):
    text = page(entry("unsure", karyotype(), wrong=0.9))
    assert text.count("unsure/") == 46 + 1
    assert "Chromosomes in doubt" in text
    assert "no background" in text


def test_a_doubt_has_its_picture_without_the_white_above_and_below(page, tmp_path):
    pictures = np.zeros((46, 40, 10, 3), np.uint8)
    pictures[:, [0, 39]] = 200
    pictures[45] = 0
    pictures[45, 10:20] = 200
    (tmp_path / "review").mkdir()
    one = entry("unsure", karyotype())
    calls = list(one.karyotype.calls)
    calls[45] = dataclasses.replace(calls[45], probability=0.5)
    one = dataclasses.replace(one, karyotype=dataclasses.replace(one.karyotype, calls=calls))
    write_cell(tmp_path / "review", "unsure", ReviewedCell(None, "unsure", [], []), pictures)
    crops = re.findall(r'class="crop" style="([^"]+)"><img src="review/unsure.png"[^>]+style="([^"]+)"', page(one))
    assert crops == [("aspect-ratio: 1.0", "width: 4600%; left: -4500%; height: 400.0%; top: -100.0%")]


def test_cases_of_several_cells_are_listed(page):
    assert "Cases of several cells" in page(*(entry(name, karyotype("XY", ["21"]), case="p1") for name in "ab"))
    assert "Cases of several cells" not in page(entry("a", karyotype()))
