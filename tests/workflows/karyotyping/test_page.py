"""The page of karyotypes."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.inference.cell_images import CellFile, FileStatus
from datamodules.inference.cells import Cell
from datamodules.inference.image_files import ImageFile
from evaluation.cells.cell_karyotype import karyotype_of_cell
from evaluation.cells.prior import KaryotypePriors
from evaluation.tables import Table
from tests.evaluation.cells.cells import karyotype
from tests.evaluation.cells.test_assignment import sure
from workflows.karyotyping import page as karyotype_page
from workflows.karyotyping.cell_result import CellResult
from workflows.karyotyping.page import SHOWN, PageFacts, write_karyotype_page

FACTS = PageFacts("Karyotypes of <cells>", "3 cells", ["a <b>warning</b>"], 0.95)
DATA = re.compile(r'src="data:image/webp;base64,[A-Za-z0-9+/=]+"')


def entry(name, labels, folder=None, wrong=1e-5):
    """The result of a cell, whose last file is left out; with a karyogram where a folder is given."""
    cell = karyotype_of_cell(sure(labels, wrong=wrong), KaryotypePriors(), {}, 0.95)
    names = [f"{name}/{number}.png" for number in range(len(cell.calls))]
    files = [CellFile(ImageFile(Path(file), file, ()), FileStatus.USED) for file in names]
    photo = ImageFile(Path("photo"), f"{name}/<photo>.jpg", ())
    files.append(CellFile(photo, FileStatus.FOREIGN, "no background"))
    result = CellResult(Cell(name, None, ()), tuple(files), cell, name, drawn=folder is not None)
    if folder is not None:
        noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        (folder / "karyograms").mkdir(exist_ok=True)
        Image.fromarray(noise).save(folder / result.karyogram)
    return result


@pytest.fixture
def page(tmp_path):
    def write(*entries, facts=FACTS):
        beside = write_karyotype_page(tmp_path / "index.html", entries, facts)
        return (tmp_path / "index.html").read_text(), beside

    return write


def test_cells_are_in_order_with_karyotype_reasons_and_picture(page, tmp_path):
    text, beside = page(
        entry("turner", karyotype("X"), tmp_path), entry("down", karyotype("XY", ["21"]), tmp_path), entry("no", [])
    )
    assert beside == 0
    assert "1 files" not in text
    assert text.index('id="cell-turner"') < text.index('id="cell-down"')
    for words in ("45,X", "47,XY,+21", "trisomy", "Turner", "no karyotype", "no chromosome can be read"):
        assert words in text
    assert len(DATA.findall(text)) == 2
    # Nothing is loaded from elsewhere, and names are no markup.
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert "<photo>" not in text
    assert "<b>warning</b>" not in text
    assert "&lt;photo&gt;" in text


def test_karyograms_beyond_the_budget_are_files_beside_the_page(page, tmp_path, monkeypatch):
    cells = [entry(name, karyotype(), tmp_path) for name in "abc"]
    size = len(karyotype_page._picture(tmp_path / "karyograms" / "a.png"))
    monkeypatch.setattr(karyotype_page, "PICTURES", 2 * size)
    text, beside = page(*cells)
    assert beside == 1
    assert len(DATA.findall(text)) == 2
    assert 'src="karyograms/c.png"' in text


def test_many_doubts_are_cut_short(page):
    text, _ = page(entry("unsure", karyotype(), wrong=0.9))
    assert text.count("unsure/") == SHOWN + 1  # with the one that is left out
    assert f"{46 - SHOWN} more" in text


def test_further_tables_are_shown(page):
    table = Table.of("Cases", [{"case": "p1", "karyotype": "47,XX,+21"}], "of several cells")
    facts = PageFacts("t", "s", [], 0.95, [table])
    assert "of several cells" in page(entry("a", karyotype()), facts=facts)[0]


def test_notes_are_no_warnings(page):
    text, _ = page(entry("c", []), facts=PageFacts("t", "s", ["a warning"], 0.95, notes=["a <note>"]))
    assert re.findall('<div class="notice bad">.*</div>', text) == [
        '<div class="notice bad"><p><span aria-hidden="true">⚠</span> a warning</p></div>'
    ]
    assert '<p class="reading">a &lt;note&gt;</p>' in text
