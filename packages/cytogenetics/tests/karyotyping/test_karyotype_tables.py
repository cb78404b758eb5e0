"""The tables of cells, files and cases, and the page of karyotypes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cytogenetics.cells.cell_karyotype import karyotype_of_cell
from cytogenetics.cells.cell_settings import KaryotypePriors, NamingSettings
from cytogenetics.images.cell_images import CellFile, FileStatus
from cytogenetics.images.cells import Cell
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from cytogenetics.karyotyping.cell_model import CellPrediction
from cytogenetics.karyotyping.cell_result import CellResult
from cytogenetics.karyotyping.karyotype_cells import reviewed_cell
from cytogenetics.karyotyping.karyotype_tables import PageFacts, Tables, case_table, overlays, write_karyotype_page
from cytogenetics.karyotyping.metaphases import FoundChromosome, MetaphaseFile
from cytogenetics.synthesis.assigned_karyogram import Karyogram
from cytogenetics.synthesis.karyogram_composer import Place
from datamodules.inference.image_files import ImageFile
from packages.cytogenetics.tests.cells.cells import CLASSES, karyotype
from packages.cytogenetics.tests.cells.test_assignment import sure

PRIORS = KaryotypePriors()
NAMING = NamingSettings(PRIORS, 0.95, False)
SETTLING = CellThresholds(settled=(0.99,))
FACTS = PageFacts("Karyotypes of <cells>", ["3 cells", "a <note>"], ["a <b>warning</b>"], 0.95)


def result(case, name, labels, logs=None):
    logs = sure(labels, wrong=1e-5) if logs is None else logs
    names = [f"{name}/{row}.png" for row in range(len(logs))]
    files = tuple(CellFile(ImageFile(Path(file), file, ()), FileStatus.USED, sha256=file) for file in names)
    named = karyotype_of_cell(logs, {}, NAMING)
    return CellResult(Cell(name, case, ()), name, files=files, karyotype=named, thresholds=SETTLING)


def test_cells_of_a_case_have_one_karyotype():
    lost = karyotype("XY", ["21"], lost=["8"])
    cells = [result("p", str(number), karyotype("XY", ["21"])) for number in range(3)]
    cells += [result("p", "3", lost), result("q", "4", karyotype()), result(None, "5", karyotype())]
    cells += [result("r", "6", []), result("r", "7", karyotype())]
    row, *others = case_table(cells, PRIORS).to_dict("records")
    assert row.pop("probability") + row.pop("second_probability") == pytest.approx(1, abs=1e-3)
    karyotypes = ("47,XY,+21", "47,XY,+21", "47,XY,+21/46,XY")  # of the case, and its two most probable constitutions
    verdict = ("look at 0 and 1", "abnormal: a person signs it", "46,XY,-8,+21 in 1", None)  # one cell has a loss
    assert tuple(row.values()) == ("p", 4, *karyotypes, 3, *verdict)
    assert [(one["case"], one["cells"], one["verdict"]) for one in others] == [("q", 1, "settled"), ("r", 1, "settled")]


def test_a_gain_in_one_cell_is_no_clone_but_in_two_a_mosaic_and_a_failed_reader_settles_nothing():
    cells = [result("p", str(number), karyotype("XX")) for number in range(3)]
    one, other = (result("p", f"g{number}", karyotype("XX", ["21"])) for number in range(2))
    same_images = replace(one, cell=Cell("copy", "p", ()))
    (row,) = case_table([*cells, one, same_images], PRIORS).to_dict("records")
    assert (row["karyotype"], row["cells"], row["left_out"]) == ("46,XX", 4, "47,XX,+21 in 1")
    assert (row["verdict"], row["reason"]) == ("look at g0", "1 cell of 4 disagrees: g0 says 47,XX,+21")
    (row,) = case_table([*cells, one, other], PRIORS).to_dict("records")
    assert (row["karyotype"], row["verdict"]) == ("47,XX,+21[2]/46,XX[3]", "look at g0 and g1")
    (row,) = case_table([replace(each, failed="of the test") for each in cells], PRIORS).to_dict("records")
    assert (row["verdict"], row["reason"]) == ("look at the pictures", "of the test")


def test_cells_of_a_case_may_have_candidates_with_different_numbers_of_boxes():
    cells = [result("p", str(number), karyotype("XX")) for number in range(2)]
    other = result("p", "other", karyotype("XX", ["21"])).karyotype.candidates[0]
    of_boxes = cells[0].karyotype.candidates
    halves = tuple(replace(one, probability=one.probability / 2) for one in of_boxes)
    pooled = replace(cells[0].karyotype, candidates=(replace(other, probability=0.5), *halves))
    (row,) = case_table([replace(cells[0], karyotype=pooled), cells[1]], PRIORS).to_dict("records")
    assert row["karyotype"] == "46,XX"


def test_a_cell_that_the_others_change_is_named():
    labels = karyotype("XY", ["18"])
    logs = sure(labels, wrong=1e-5)
    third = np.flatnonzero(labels == CLASSES.index("18"))[0]
    logs[third, CLASSES.index("4")] = np.log(0.999)
    logs[third, CLASSES.index("18")] = np.log(0.001)
    cells = [result("p", "unsure", labels, logs), result("p", "a", labels), result("p", "b", labels)]
    assert cells[0].karyotype.karyotype.iscn == "47,XY,+4"
    (row,) = case_table(cells, PRIORS).to_dict("records")
    assert row["changed"] == "unsure: 47,XY,+18"
    assert row["karyotype"] == "47,XY,+18"


def test_files_that_are_out_of_distribution_are_marked_and_are_a_reason():
    files = [CellFile(ImageFile(Path(name), name, ()), FileStatus.USED) for name in ("a", "b", "c")]
    calls = karyotype_of_cell(sure(np.array([0, 0, 1]), wrong=1e-5), {}, NAMING)
    distances = {"a": 1.5, "b": 1.0, "c": 2.5}  # 1 is the threshold itself
    cell = CellResult(Cell("c", None, ()), "c", files=tuple(files), karyotype=calls, distances=distances)
    named = "2 of 3 files out of distribution, unlike the training images: c, a"
    assert named in cell.reasons
    assert named in replace(cell, thresholds=CellThresholds(3.0, 2.0)).reasons  # it has no karyotype
    whole = karyotype_of_cell(sure(karyotype(), wrong=1e-5), {}, NAMING)
    for mean, reasons in ((None, 1), (2.0, 0)):
        known = replace(cell, karyotype=whole, thresholds=CellThresholds(3.0, mean))
        assert len(known.reasons) == reasons
    cells, chromosomes, _ = Tables.of([cell], {}, PRIORS)
    assert chromosomes["out_of_distribution"].tolist() == [1.5, 1.0, 2.5]
    assert cells["out_of_distribution"].tolist() == [2]
    assert cells["mean_distance"].tolist() == [pytest.approx(5 / 3)]
    far = replace(cell, thresholds=CellThresholds(3.0, 1.4))
    assert "mean distance from the training images 1.67, above 1.4" in far.reasons
    unknown = replace(far, distances={})
    used = CellPrediction(np.zeros((3, 24)), np.zeros(3, bool), np.zeros(3))
    kept = [reviewed_cell(replace(one, predicted=used), Path()).distance for one in (far, unknown)]
    assert kept == [pytest.approx(5 / 3), None]
    assert not any("distribution" in reason for reason in unknown.reasons)
    assert Tables.of([unknown], {}, PRIORS).cells["out_of_distribution"].isna().all()


def entry(name, labels, wrong=1e-5, case=None):
    """The result of a cell, whose last file is left out."""
    used = result(case, name, labels, sure(labels, wrong=wrong))
    photo = ImageFile(Path("photo"), f"{name}/<photo>.jpg", ())
    return replace(used, files=(*used.files, CellFile(photo, FileStatus.LEFT_OUT, "no background")))


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
    assert re.findall(r"<td>(look at [^<]+)</td>", text)[0] == "look at the picture"
    for words in ("45,X", "47,XY,+21", "trisomy", "Turner", "no karyotype", "no chromosome can be read", "47 used"):
        assert words in text
    assert re.findall(r'<img src="([^"]+)"', text) == ["karyograms/turner.png", "karyograms/down.png"]


def test_cells_are_under_their_case_and_numbered_in_the_order_of_the_page(page):
    unsure = [entry("a", karyotype(), wrong=0.6, case="p"), entry("b", karyotype(), wrong=0.5)]
    text = page(*unsure, entry("c", karyotype(), wrong=0.1, case="p"), entry("d", karyotype()))
    headings = re.findall(r"<h2>(Case p|Cells without a case)|<h3>(\w) <small>cell (\d) of 4", text)
    cells = [(name, number) for _, name, number in headings if name]
    assert cells == [("a", "1"), ("c", "2"), ("b", "3"), ("d", "4")]
    assert [place for place, (heading, *_) in enumerate(headings) if heading] == [0, 3]
    assert "Cells without a case" not in page(entry("d", karyotype()))


def test_nothing_is_loaded_from_elsewhere_and_names_are_no_markup(page):
    text = page(entry("down", karyotype("XY", ["21"])))
    assert not re.findall(r'(?:src|href)="(?!data:|#|karyograms/)', text)
    for markup in ("<photo>", "<b>warning</b>", "<note>", "<cells>"):
        assert markup not in text
    assert "&lt;photo&gt;" in text
    assert text.count('class="notice bad"') == 1


def test_files_that_are_not_used_are_listed(page):
    text = page(entry("unsure", karyotype(), wrong=0.9))
    assert text.count("unsure/") == 1
    assert "no background" in text


def test_the_karyotype_of_a_case_comes_before_its_cells(page):
    text = page(*(entry(name, karyotype("XY", ["21"]), case="p1") for name in "ab"))
    assert text.index("<h2>Case p1") < text.index("given 2 cells: probability ") < text.index("<h3>a ")
    assert text.count("structural abnormalities are not seen") == 1
    sure_cells = [result("p", name, karyotype()) for name in "ab"]
    tables = Tables.of([*sure_cells, *(result("q", name, karyotype(lost=["8"])) for name in "ab")], {}, PRIORS)
    first, second = tables.case_titles.values()
    assert re.fullmatch("46,XX: probability > 0.99; next .+ < 0.01; 2 of 2 cells say so alone; settled", first)
    assert "; 0 of 2 cells say so alone; more cells needed (about 1)" in second
    assert "2 cases, 1 of them settled" in " ".join(tables.summary(CellThresholds()))


def test_numbers_of_clones_are_explained_and_a_constitution_that_is_not_the_karyotype_is_named(page):
    cells = [entry(name, karyotype("XX", ["21"] * (name < "c")), case="p") for name in "abcde"]
    assert page(*cells).count("in brackets: the cells that fit a clone best") == 1
    cells += [result("q", name, karyotype(lost=["8"])) for name in "abc"]
    mosaic, lost = Tables.of(cells, {}, PRIORS).case_titles.values()
    assert re.match(r"47,XX,\+21\[2\]/46,XX\[3\]: probability .* not those that show it by themselves$", mosaic)
    assert lost.startswith("45,XX,-8: 46,XX ")


def test_the_terminal_has_a_line_for_each_of_the_first_cases():
    cells = [result(f"p{number:02d}", "a", karyotype()) for number in range(12)]
    *_, last, more = Tables.of(cells, {}, PRIORS).case_lines
    assert last.startswith("p09: 46,XX, settled; probability > 0.99; next ")
    assert more == "and 2 more in cases.csv"
    assert len(Tables.of(cells[:10], {}, PRIORS).case_lines) == 10


def test_a_reader_is_told_what_to_do():
    assert result(None, "sure", karyotype()).task == "quick look"
    assert entry("no", []).task == "look at the picture"
    unsure = entry("unsure", karyotype(), wrong=0.6)
    assert unsure.task.startswith("look at ")
    assert result(None, "x", karyotype(lost=["8"])).task == "look at the karyogram"  # none is in doubt
    assert replace(unsure, karyotype=replace(unsure.karyotype, boxes_wrong=100.0)).task == "check the boxes"


def test_each_box_of_a_metaphase_has_the_number_of_its_chromosome_in_the_karyogram():
    labels = karyotype()
    logs = sure(labels, wrong=1e-5)
    logs[4] = logs[6]  # a 3 that looks like a 4, as two others do: one of these is called a 3
    cell = result(None, "c", labels, logs)
    found = {}
    places = {}
    for row, file in enumerate(cell.files):
        corners = np.array([(row, 0), (row + 2, 0), (row + 2, 9), (row, 9)], np.int32)
        found[file.file.name] = FoundChromosome(row + 1, np.zeros(4), 1.0, corners)
        places[row] = Place(str(row), 10 * row, 20, 5, 8)
    drawn = Karyogram(np.zeros((60, 90, 3), np.uint8), places)
    cell = replace(cell, metaphase=MetaphaseFile((40, 50), found), drawn=drawn)
    picture, karyogram = overlays(cell)
    doubted = replace(cell, karyotype=replace(cell.karyotype, of_boxes=True), thresholds=CellThresholds(0.0))
    assert doubted.reasons[1].endswith("; the image contradicts the class of box 8 (class 3)")
    assert [(each.width, each.height) for each in (picture, karyogram)] == [(50, 40), (90, 60)]
    for row, (there, here) in enumerate(zip(picture.shapes, karyogram.shapes, strict=True)):
        assert there.points == f"{row},0 {row + 2},0 {row + 2},9 {row},9"
        assert here.points == f"{10 * row},20 {10 * row + 5},20 {10 * row + 5},28 {10 * row},28"
        assert there.number == here.number == row + 1


def test_the_cell_that_disagrees_is_named_first_and_more_cells_are_no_signature(page):
    normal, lost = karyotype(), karyotype(lost=["8"])
    cells = [entry(name, labels, case="p") for name, labels in (("a", normal), ("b", lost), ("c", normal))]
    text = page(*cells, *(entry(name, lost, case="q") for name in "de"))
    look = re.findall("<strong>([^<]*ook at) <a[^>]*>(.)</a> and <a[^>]*>(.)</a>", text)
    assert look == [("To sign, look at", "b", "c"), ("Look at", "e", "d")]
