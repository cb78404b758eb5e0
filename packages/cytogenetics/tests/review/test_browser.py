"""The review page in a real browser: headless Chromium types, clicks and looks."""

import re
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette", reason="starlette is not installed: uv sync --group dev")

from cytogenetics.review.cell_bundle import write_bundle
from cytogenetics.review.cells import CellReview
from cytogenetics.review.decisions import DecisionLog, read_decisions
from cytogenetics.review.review import open_review
from packages.cytogenetics.tests.review.bundles import MALE, decision, write_cells
from packages.cytogenetics.tests.review.metaphase import LINE, TRUE, WIDE, write_metaphase
from packages.cytogenetics.tests.review.predicted import write_table
from packages.cytogenetics.tests.review.serving import served
from tests.browser import find_browser, recording_tab

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: uv sync --group dev")
pytestmark = pytest.mark.skipif(find_browser() is None, reason="no Chromium or Chrome on this machine")
SELECTED = ".chromosome[aria-pressed=true]"


@pytest.fixture(scope="module")
def tab():
    with recording_tab() as tab:
        yield tab


@pytest.fixture
def page(tab):
    """That page, empty; whatever a test does, nothing is asked of any other machine."""
    tab.goto("about:blank")
    tab.complaints.clear()
    tab.requests.clear()
    yield tab
    assert tab.complaints == []
    assert all(url.startswith(("http://127.0.0.1:", "about:", "file:")) for url in tab.requests)


@pytest.fixture
def review(tmp_path):
    """A function that serves the review of an output and returns its address."""
    with ExitStack() as stack:

        def start(output):
            return stack.enter_context(served(open_review(output), tmp_path / "decisions.jsonl"))

        yield start


def open_cells(page, address, files=46):
    page.goto(address)
    page.locator(".chromosome").nth(files - 1).wait_for()


def press(page, *keys):
    """Press keys, and wait until the page has done all that they ask for."""
    for key in keys:
        page.keyboard.press(key)
    settle(page)


def settle(page):
    page.evaluate("import('./shared.js').then((shared) => shared.attempt(() => undefined))")


def click(one):
    one.click()
    settle(one.page)


def named(page, kind):
    """The chromosome of a class that is first by its file."""
    return page.locator(f".chromosome[aria-label^='chromosome of {kind};']").first


def actions(tmp_path):
    decisions, torn = read_decisions(tmp_path / "decisions.jsonl")
    assert not torn
    return [(one.action, one.to) for one in decisions]


def test_cells_are_reviewed_by_keyboard_alone(page, review, output, tmp_path):
    open_cells(page, review(output))
    assert page.inner_text("#karyotype").startswith("46,XY probability > 0.99")
    assert page.inner_text("#title") == "case / c1"  # most expected errors first
    for key, kind in (("x", "X"), ("y", "Y"), ("7", "7"), ("0", "no chromosome")):
        press(page, key)
        assert page.locator(".group", has=page.locator(SELECTED)).locator(".name").inner_text().startswith(kind)
    press(page, "1", "2")
    assert page.locator(SELECTED).get_attribute("aria-label").startswith("chromosome of 12;")
    press(page, "2", "ArrowRight")  # a first digit that could be of 20 to 22
    press(page, "ArrowDown", "ArrowUp", "ArrowLeft", "f")
    assert page.evaluate(f"document.activeElement === document.querySelector('{SELECTED}')")
    press(page, *["u"] * 7)
    assert page.locator("#undo").is_disabled()
    assert page.inner_text("#karyotype").startswith("46,XY")
    press(page, "Enter")
    assert page.inner_text("#title") == "case / c0"
    assert page.inner_text("#progress").endswith(" of 2: 1 approved")
    press(page, "u")  # of a fresh cell: back to the approval before
    assert page.inner_text("#title") == "case / c1"
    assert page.inner_text("#progress").endswith(" of 2: 0 approved")
    press(page, "Enter", "Enter")
    assert page.inner_text("#message").startswith("g signs the case as 46,XY (2 of 2 cells); Enter goes on")
    press(page, "Enter")  # of an approved cell: nothing is approved again
    result = tmp_path / "decisions.approved" / "index.html"
    assert page.inner_text("#message").startswith(f"All are approved or rejected: the result is {result}.")
    shared = "import(new URL('shared.js', document.querySelector('script[type=module]').src))"
    page.evaluate(f"{shared}.then(({{ review }}) => {{ review.session.groups.case.question = 'Sign 46,XY?'; }})")
    press(page, "g")  # the question, whether to sign another karyotype than the predicted one, is answered by no
    assert page.inner_text("#message") == "The case is not signed."
    page.once("dialog", lambda dialog: dialog.accept())
    press(page, "g")
    assert page.inner_text("#verdict div:last-child dt").startswith("signed by reader1, ")
    assert (result.parent / "case.html").is_file()
    done = actions(tmp_path)
    assert done[:6] == [("move", "X"), ("move", "Y"), ("move", "7"), ("move", "none"), ("move", "12"), ("move", "2")]
    assert done[6:14] == [("turn", None), *[("undo", None)] * 7]
    assert done[14:] == [("approve", "46,XY"), ("undo", None), *[("approve", "46,XY")] * 2, ("sign", "46,XY")]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_enter_approves_after_a_click_in_the_queue(page, review, output, tmp_path):
    open_cells(page, review(output))
    click(page.locator("#queue button").last)
    title = page.inner_text("#title")
    press(page, "Enter")
    assert [action for action, _ in actions(tmp_path)] == ["approve"]
    assert page.inner_text("#title") != title


def test_the_most_doubtful_cell_is_next_also_where_a_correction_moves_the_open_one(page, review, tmp_path):
    bundle = write_cells(tmp_path / "out", 4, case=None)
    lines = [replace(bundle.index.cells[0], expected_errors=0.0), *bundle.index.cells[1:]]
    write_bundle(bundle.folder, replace(bundle.index, cells=lines), {})
    open_cells(page, review(tmp_path / "out"))
    assert page.inner_text("#title") == "c3"
    named(page, "5").click()  # the chromosome that is in doubt
    press(page, "5")
    assert page.inner_text("#progress").startswith("cell 3 of 4")
    titles = []
    for _ in range(3):
        press(page, "Enter")
        titles.append(page.inner_text("#title"))
    assert titles == ["c2", "c1", "c0"]


def test_names_are_text(page, review, tmp_path):
    name = "<img src=x onerror=document.body.remove()>"
    write_cells(tmp_path / "hostile", case=name)
    open_cells(page, review(tmp_path / "hostile"))
    assert page.inner_text("#title") == f"{name} / c1"
    assert page.locator("img[src=x]").count() == 0


def test_two_clicks_swap_two_chromosomes(page, review, output, tmp_path):
    open_cells(page, review(output))
    named(page, "1").click()
    named(page, "X").click(modifiers=["Shift"])
    settle(page)
    assert page.locator(".chromosome.fixed").count() == 2
    assert "00.png" in named(page, "X").get_attribute("title")
    named(page, "2").click()
    press(page, "s")
    assert page.locator("#swap").get_attribute("aria-pressed") == "true"
    click(named(page, "3"))
    press(page, "s", "Escape")
    assert page.locator(".marked").count() == 0
    assert actions(tmp_path) == [("swap", "X"), ("swap", "3")]


def drag(page, one, target):
    start, end = one.bounding_box(), target.bounding_box()
    page.mouse.move(start["x"] + 8, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(end["x"] + 5, end["y"] + 5, steps=6)
    page.mouse.up()
    settle(page)


def test_a_chromosome_is_dragged_to_a_class(page, review, output, tmp_path):
    open_cells(page, review(output))
    drag(page, named(page, "17"), page.locator("[data-kind='18'] .name"))
    drag(page, named(page, "3"), page.locator("[data-kind=mar]"))
    assert ",+mar " in page.inner_text("#karyotype")
    drag(page, named(page, "4"), page.locator("#title"))  # no class
    drag(page, named(page, "5"), page.locator("[data-kind=none]"))
    assert actions(tmp_path) == [("move", "18"), ("move", "mar"), ("move", "none")]
    press(page, "u", "m")
    assert actions(tmp_path)[3:] == [("undo", None), ("move", "mar")]


def test_notes_and_rejections(page, review, output, tmp_path):
    open_cells(page, review(output))
    press(page, "n", "t", "1", "Enter")  # keys of the text, no classes
    press(page, "PageDown", "PageUp")
    assert page.input_value("#text") == "t1"
    page.fill("#text", "")
    page.click("#title")
    click(page.locator("#reject"))
    assert page.inner_text("#message") == "type the reason first"
    page.fill("#text", "two cells in one")
    click(page.locator("#reject"))
    assert page.inner_text("#title") == "case / c0"
    assert page.inner_text("#progress").endswith(" of 2: 0 approved, 1 rejected")
    press(page, "Enter")
    assert "structural abnormalities are not seen" in page.inner_text("main")
    assert page.inner_text("#queue .case") == "case\npredicted: 46,XY\napproved: 46,XY (1 of 2 cells)"
    assert page.locator("#verdict dd").all_inner_texts() == ["46,XY; settled", "46,XY (1 of 2 cells)"]
    assert page.locator("#queue .case").count() == 1
    page.fill("#text", "blurred")
    click(page.locator("#reject"))  # the last one: the page stays
    decisions, _ = read_decisions(tmp_path / "decisions.jsonl")
    expected = [("note", "t1"), ("note", ""), ("reject", "two cells in one"), ("approve", None), ("reject", "blurred")]
    assert [(one.action, one.text) for one in decisions] == expected


@pytest.mark.parametrize(("letters", "note"), [(2, 0), (24, 100), (90, 500)])
def test_each_approved_cell_is_printed_on_one_sheet(page, tmp_path, letters, note):
    write_cells(tmp_path / "out", name="x" * (letters - 2) + "{:02d}.png")
    review = CellReview(tmp_path / "out")
    log = DecisionLog(tmp_path / "out" / "decisions.jsonl")
    for cell in review.stems:
        names = review.bundle.cell(cell).names
        log.append(decision("note", cell=cell, text=("word " * 100)[:note]))
        log.append(decision("approve", cell=cell, to="46,XY", classes=dict(zip(names, MALE, strict=True))))
    review.publish(log)
    log.close()
    page.goto((tmp_path / "out" / "approved" / "index.html").as_uri())
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) == 1 + len(review.stems)


def test_homologues_are_enlarged_side_by_side_and_their_contrast_is_changed(page, review, output):
    page.set_viewport_size({"width": 820, "height": 800})
    open_cells(page, review(output))
    first, ground = page.locator("#pair canvas").first, page.locator(".ground")
    wide, before = first.bounding_box()["width"], ground.bounding_box()["width"]
    press(page, "+", "+", "c", "c")
    assert first.bounding_box()["width"] == pytest.approx(2 * wide, rel=0.05)
    assert first.evaluate("one => getComputedStyle(one).filter") == "contrast(2)"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    press(page, *["+"] * 4)
    room = ground.bounding_box()
    for one in page.locator("#pair canvas").all():
        place = one.bounding_box()
        assert room["x"] <= place["x"] < place["x"] + place["width"] <= room["x"] + room["width"] + 1
    press(page, *["-"] * 6)
    assert ground.bounding_box()["width"] == before


def test_a_second_window_of_a_reader_sees_what_the_first_has_changed(page, review, output, tmp_path):
    address = review(output)
    open_cells(page, address)
    other = page.context.browser.new_page()
    open_cells(other, address)
    press(other, "3")
    other.close()
    page.bring_to_front()
    press(page, "Enter")
    assert "another window" in page.inner_text("#message")
    assert page.locator(SELECTED).count() == 1
    assert actions(tmp_path) == [("move", "3")]
    page.complaints.clear()  # the refused request
    press(page, "Enter")
    assert actions(tmp_path)[1:] == [("approve", actions(tmp_path)[1][1])]


@pytest.fixture
def metaphase(page, review, tmp_path):
    """The page with the picture of a metaphase."""
    write_metaphase(tmp_path / "out")
    page.set_viewport_size({"width": 820, "height": 900})
    open_cells(page, review(tmp_path / "out"), files=44)
    press(page, "p")
    assert page.locator("#karyogram").is_hidden()
    assert page.inner_text("#reasons").count("no chromosome") == 1  # a cause once
    return page


def test_the_heading_stays_in_view(page, review, output):
    page.set_viewport_size({"width": 1280, "height": 420})
    open_cells(page, review(output))
    named(page, "22").click()
    press(page, "0")
    assert page.evaluate("document.querySelector('main').scrollTop") > 0
    assert page.locator("#karyotype").bounding_box()["y"] >= 0


def number(page, text):
    """The number of a chromosome on the picture."""
    return page.locator("#outlines text").filter(has_text=re.compile(f"^{text}{text}:"))


def draw(page, *points):
    """Draw from point to point of the picture, with the mouse."""
    picture = page.locator("#picture").bounding_box()
    for index, point in enumerate(points):
        across, down = np.multiply(point, picture["width"] / WIDE).tolist()
        page.mouse.move(picture["x"] + across, picture["y"] + down, steps=3)
        if index == 0:
            page.mouse.down()
    page.mouse.up()
    settle(page)


def test_what_is_selected_on_the_picture_is_selected_in_the_karyogram(metaphase):
    click(number(metaphase, 4))
    assert "box 4\n" in metaphase.locator(SELECTED).get_attribute("title")
    press(metaphase, "7", "p")
    assert metaphase.locator("#metaphase").is_hidden()
    assert "box 4\n" in named(metaphase, "7").get_attribute("title")
    click(named(metaphase, "Y").or_(named(metaphase, "22")))
    press(metaphase, "p")
    name = metaphase.locator(SELECTED).get_attribute("title").splitlines()[0]
    assert metaphase.locator("#outlines text.selected").text_content().startswith(name.removeprefix("box "))
    metaphase.set_viewport_size({"width": 1920, "height": 1000})
    assert metaphase.locator("#karyogram").is_visible()  # side by side
    assert metaphase.locator("#metaphase").is_visible()
    press(metaphase, "u")
    click(number(metaphase, 2))
    press(metaphase, "1", "ArrowLeft")
    assert metaphase.inner_text("#message").startswith("Assigned anew: box 4: ")


def test_chromosomes_are_added_cut_and_joined_by_mouse(metaphase, tmp_path):
    number(metaphase, 1).click()
    metaphase.click("#cut")
    draw(metaphase, *LINE)
    assert metaphase.inner_text("#karyotype") == "2 of 46 without a class"
    press(metaphase, "1")
    number(metaphase, 47).click()
    press(metaphase, "1", "ArrowLeft")
    number(metaphase, 2).click()
    metaphase.click("#join")
    click(number(metaphase, 3))
    press(metaphase, "2", "ArrowLeft")
    metaphase.click("#add")
    draw(metaphase, TRUE[45, :2].tolist(), TRUE[45, 2:].tolist())
    press(metaphase, "y")
    click(number(metaphase, 45))  # it was left out
    press(metaphase, "x")
    assert metaphase.inner_text("#karyotype").startswith("46,XY probability")
    assert metaphase.locator("#outlines polygon.left-out").count() == 3
    assert "not used" not in metaphase.inner_text("#reasons")
    press(metaphase, "Enter")
    assert metaphase.inner_text("#progress").endswith(" of 1: 1 approved")
    expected = ["cut", "move", "move", "join", "move", "add", "move", "add", "move", "approve"]
    assert [action for action, _ in actions(tmp_path)] == expected


def test_a_box_is_moved_and_resized_by_mouse_and_by_keys(metaphase, tmp_path):
    left, top, right, bottom = TRUE[3].tolist()
    click(number(metaphase, 4))
    enlarged = metaphase.locator("#pair canvas.selected")
    before = enlarged.get_attribute("height")
    draw(metaphase, (right, bottom), (right, bottom - 20))  # its handle
    assert int(enlarged.get_attribute("height")) < int(before) - 5
    draw(metaphase, (left, (top + bottom - 20) / 2), (left - 5, 90))  # of a side, which moves across alone
    draw(metaphase, (left + 3, top + 3), (left + 9, top + 8))  # inside
    draw(metaphase, (left + 8, top + 9), (left + 8, top + 9))  # a click
    press(metaphase, "b", "ArrowRight", "Shift+ArrowDown", "Shift+ArrowLeft", "Enter", "b", "Enter")
    press(metaphase, "b", "ArrowDown", "Escape")
    boxes = [one.boxes for one in read_decisions(tmp_path / "decisions.jsonl")[0]]
    expected = [(left, top, right, bottom - 20), (left - 5, top, right, bottom - 20)]
    expected += [(left + 1, top + 5, right + 6, bottom - 15), (left + 3, top + 5, right + 6, bottom - 13)]
    assert np.abs(np.array(boxes)[:, 0] - expected).max() <= 1
    press(metaphase, *"uuuu")
    assert float(metaphase.locator("#box rect").get_attribute("height")) == bottom - top
    assert enlarged.get_attribute("height") == before


def test_a_case_is_finished_before_the_next_one(page, review, tmp_path):
    bundle = write_cells(tmp_path / "out", 5)
    of_cases = zip(bundle.index.cells, "abaab", strict=True)
    lines = [replace(cell, case=case, title=f"{case} / {cell.stem}") for cell, case in of_cases]
    cases = {"b": "46,XY, probability 0.99; settled"}
    write_bundle(bundle.folder, replace(bundle.index, cells=lines, cases=cases), {})
    open_cells(page, review(tmp_path / "out"))
    page.once("dialog", lambda dialog: dialog.accept())  # c4 is approved as 46,XX
    for keys, title in (
        ("5", "b / c4"),
        ("Enter", "b / c1"),
        ("Enter", "b / c1"),
        ("g", "a / c3"),
        ("Enter", "a / c2"),
    ):
        press(page, keys)  # it gets less doubtful by the 5
        assert page.inner_text("#title") == title
    press(page, "Enter", "Enter")
    assert page.inner_text("#message").startswith("g signs the case as 46,XY (3 of 3 cells)")


def test_a_case_of_one_cell_waits_for_its_signature_and_what_is_signed_is_named(page, review, tmp_path):
    bundle = write_cells(tmp_path / "out", 3)
    lines = [replace(cell, case=case) for cell, case in zip(bundle.index.cells, "aab", strict=True)]
    write_bundle(bundle.folder, replace(bundle.index, cells=lines, cases=dict.fromkeys("ab", "46,XY; settled")), {})
    open_cells(page, review(tmp_path / "out"))
    press(page, "Enter")
    assert page.inner_text("#message").startswith("g signs the case as 46,XY (1 of 1 cell)")
    press(page, "g", "PageUp", "g")
    assert page.inner_text("#message") == "Case b is signed."
    press(page, "PageDown", "Enter", "Enter", "g", "PageUp", "g")
    assert page.inner_text("#message") == "Case a is signed."
    for keys in ("u", ("Enter", "g", "f")):  # the approval is undone, or what was approved is changed
        press(page, *keys)
        assert page.inner_text("#message") == "The signature of a is withdrawn."


def test_chromosomes_are_added_cut_and_joined_by_keys(metaphase, tmp_path):
    click(number(metaphase, 5))
    press(metaphase, "k", "ArrowDown", "Shift+ArrowDown", "Enter")
    assert metaphase.inner_text("#karyotype") == "2 of 46 without a class"
    press(metaphase, "j", "ArrowRight", "j")
    assert metaphase.inner_text("#karyotype") == "1 of 47 without a class"
    press(metaphase, "u", "u", "a", "Escape")
    assert metaphase.locator(".chromosome").count() == 44
    number(metaphase, 44).click()
    press(metaphase, "a", *["ArrowRight"] * 35, "Enter")  # to the Y, two places further
    assert metaphase.locator("#outlines text").count() == 46
    press(metaphase, "u", "a")
    draw(metaphase, (5, 5), (30, 12))
    assert "no chromosome there" in metaphase.inner_text("#message")
    assert [action for action, _ in actions(tmp_path)] == ["cut", "join", "undo", "undo", "add", "undo"]
    assert metaphase.locator("#drawn > *").count() == 0
    metaphase.complaints.clear()  # the refused request


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 820])
def test_text_has_the_contrast_of_wcag_aa_and_fits(page, review, output, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    open_cells(page, review(output))
    press(page, "5", "ArrowRight", "2")
    found = page.evaluate(Path(__file__).with_name("contrasts.js").read_text())
    assert len(found) > 40
    assert [one for one in found if one[0] < 4.5] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_images_are_reviewed_by_keyboard_alone(page, review, tmp_path):
    page.goto(review(write_table(tmp_path, images=3)))
    page.wait_for_selector(".class")
    assert page.inner_text("#result").startswith("bright predicted, probability 60.0 %")
    assert "probability below 0.7" in page.inner_text("#reasons")
    assert "1 file cannot be read" in page.inner_text("#status")
    assert page.locator("#pictures img").evaluate("one => one.naturalWidth") == 40
    press(page, "2")
    assert page.inner_text("#result") == "dark given by the reader"
    press(page, "u")
    assert page.inner_text("#result").startswith("bright predicted")
    press(page, "-")
    assert page.inner_text("#result") == "none of these classes given by the reader"
    press(page, "u", "2", "Enter")
    assert page.inner_text("#title") == "05.png"
    press(page, "Enter", "u", "Enter", "Enter")
    assert page.inner_text("#progress").endswith(" of 3: 3 approved")
    expected = [("move", "dark"), ("undo", None), ("move", ""), ("undo", None), ("move", "dark"), ("approve", "dark")]
    assert actions(tmp_path)[:6] == expected
    assert actions(tmp_path)[6:] == [("approve", "dark"), ("undo", None), ("approve", "dark"), ("approve", "bright")]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
