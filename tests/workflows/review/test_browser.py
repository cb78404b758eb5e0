"""The review page in a real browser: headless Chromium types, clicks and looks."""

from contextlib import ExitStack

import pytest

pytest.importorskip("starlette", reason="starlette is not installed: uv sync --group dev")

from tests.browser import find_browser, recording_tab
from tests.workflows.review.bundles import write_bundle
from tests.workflows.review.predicted import write_table
from tests.workflows.review.serving import served
from workflows.decisions import read_decisions
from workflows.review.review import open_review
from workflows.review.server import Reader

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
    assert all(url.startswith(("http://127.0.0.1:", "about:")) for url in tab.requests)


@pytest.fixture
def review(tmp_path):
    """A function that serves the review of an output and returns its address."""
    with ExitStack() as stack:

        def start(output, blind=False):
            reader = Reader("reader1", blind)
            return stack.enter_context(served(open_review(output), tmp_path / "decisions.jsonl", reader))

        yield start


@pytest.fixture
def cells(tmp_path):
    write_bundle(tmp_path / "out")
    return tmp_path / "out"


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


def named(page, kind):
    """The chromosome of a class that is first by its file."""
    return page.locator(f".chromosome[aria-label^='chromosome of {kind};']").first


def actions(tmp_path):
    decisions, torn = read_decisions(tmp_path / "decisions.jsonl")
    assert not torn
    return [(one.action, one.to) for one in decisions]


def test_cells_are_reviewed_by_keyboard_alone(page, review, cells, tmp_path):
    open_cells(page, review(cells))
    assert page.inner_text("#karyotype").startswith("46,XY probability 0.9")
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
    assert page.inner_text("#progress") == "1 of 2 approved"
    press(page, "u")  # of a fresh cell: back to the approval before
    assert page.inner_text("#title") == "case / c1"
    assert page.inner_text("#progress") == "0 of 2 approved"
    press(page, "Enter", "Enter")
    assert page.inner_text("#message").startswith("All are approved")
    done = actions(tmp_path)
    assert done[:6] == [("move", "X"), ("move", "Y"), ("move", "7"), ("move", "none"), ("move", "12"), ("move", "2")]
    assert done[6:14] == [("turn", None), *[("undo", None)] * 7]
    assert done[14:] == [("approve", "46,XY"), ("undo", None), *[("approve", "46,XY")] * 2]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_names_are_text(page, review, tmp_path):
    name = "<img src=x onerror=document.body.remove()>"
    write_bundle(tmp_path / "hostile", case=name)
    open_cells(page, review(tmp_path / "hostile"))
    assert page.inner_text("#title") == f"{name} / c1"
    assert page.locator("img[src=x]").count() == 0


def test_two_clicks_swap_two_chromosomes(page, review, cells, tmp_path):
    open_cells(page, review(cells))
    named(page, "1").click()
    named(page, "X").click(modifiers=["Shift"])
    settle(page)
    assert page.locator(".chromosome.fixed").count() == 2
    assert "c1/00.png" in named(page, "X").get_attribute("title")
    named(page, "2").click()
    press(page, "s")
    assert page.locator("#swap").get_attribute("aria-pressed") == "true"
    named(page, "3").click()
    settle(page)
    press(page, "s", "Escape")
    assert page.locator(".marked").count() == 0
    assert actions(tmp_path) == [("swap", "X"), ("swap", "3")]


def test_images_are_reviewed_by_keyboard_alone(page, review, tmp_path):
    page.goto(review(write_table(tmp_path, images=3)))
    page.wait_for_selector(".class")
    assert page.inner_text("#result").startswith("bright predicted, probability 60.0 %")
    assert "conformal set: bright, dark" in page.inner_text("#reasons")
    assert "1 file cannot be read" in page.inner_text("#status")
    assert page.locator("#pictures img").evaluate("one => one.naturalWidth") == 40
    press(page, "2")
    assert page.inner_text("#result") == "dark given by the reader"
    press(page, "u")
    assert page.inner_text("#result").startswith("bright predicted")
    press(page, "2", "Enter")
    assert page.inner_text("#title") == "05.png"
    press(page, "Enter", "u", "Enter", "Enter")
    assert page.inner_text("#progress") == "3 of 3 approved"
    expected = [("move", "dark"), ("undo", None), ("move", "dark"), ("approve", "dark")]
    assert actions(tmp_path)[:4] == expected
    assert actions(tmp_path)[4:] == [("approve", "dark"), ("undo", None), ("approve", "dark"), ("approve", "bright")]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
