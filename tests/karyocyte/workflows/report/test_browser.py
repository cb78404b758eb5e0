"""The page in a real browser: headless Chromium clicks, types, and looks."""

import re

import pytest

from karyocyte.workflows.report import sources
from karyocyte.workflows.report.page import write_report
from tests.browser import find_browser, recording_tab
from tests.helpers.predictions import make_run, with_passes
from tests.karyocyte.workflows.report.reports import write_facts, write_run

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: uv sync --group dev")
pytestmark = pytest.mark.skipif(find_browser() is None, reason="no Chromium or Chrome on this machine")
SHOWN = "#cards li"
LONG = "a_class_with_a_very_long_name_that_no_phone_can_hold_in_one_line"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The page of one run of 40 images with heat maps."""
    folder = tmp_path_factory.mktemp("run")
    run = with_passes(make_run(images=40, subjects=10, skill=1.0), noise=2.0)
    write_facts(write_run(folder, run, maps=("gradcam-layer4",)))
    write_report([folder])
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """The page of two experiments of four classes, one of a long name."""
    folder = tmp_path_factory.mktemp("sweep")
    folders = []
    for skill in (2, 0):
        about = {"name": f"{LONG}_{skill}"}
        run = make_run(images=40, subjects=10, skill=skill, classes=("a", "b", "c", LONG), about=about)
        folders.append(write_run(folder / str(skill), run))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "draw_figures", lambda folder, evaluation: [])
        write_report(folders, folder / "report.html")
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def tab():
    with recording_tab() as tab:
        yield tab


@pytest.fixture
def page(tab, request):
    """That page, empty; all tests share it, since each new one takes its time."""
    width, height = getattr(request, "param", (1280, 900))
    tab.goto("about:blank")
    tab.set_viewport_size({"width": width, "height": height})
    tab.emulate_media(media="screen")
    tab.requests.clear()
    yield tab
    assert tab.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in tab.requests)
    assert len([url for url in tab.requests if url.startswith("file:")]) <= 2


def small_print(page, pattern):
    """What follows the pattern below each picture, in the order of the pictures."""
    return [re.search(pattern, text)[1] for text in page.locator(f"{SHOWN} .small").all_text_contents()]


def names(page):
    return small_print(page, r"(S\d+-\d+)")


def uncertainties(page):
    return [float(value) for value in small_print(page, r"uncertainty ([\d.]+)")]


def verdicts(page):
    return page.locator(".verdict").all_text_contents()


def count(page):
    return int(page.inner_text("#count").split(" of ")[0])


def test_the_page_opens_with_all_pictures_the_most_uncertain_first(page, path):
    page.goto(path)
    assert count(page) == 40
    assert uncertainties(page) == sorted(uncertainties(page), reverse=True)
    page.locator("#gallery").scroll_into_view_if_needed()
    first = page.locator(f"{SHOWN} img").first
    assert first.evaluate("one => one.decode().then(() => one.naturalWidth)") == 24


def test_wrong_right_and_doubtful_predictions_are_chosen(page, path):
    page.goto(path)
    wrong = page.locator(".card.wrong").count()
    assert 0 < wrong < 40
    page.select_option("[name=show]", "wrong")
    assert count(page) == wrong == page.locator(SHOWN).count()
    assert all(text.startswith("✗") for text in verdicts(page))
    page.select_option("[name=show]", "right")
    assert count(page) == 40 - wrong
    assert page.locator(".card.wrong").count() == 0
    page.select_option("[name=show]", "doubtful")
    assert set(page.locator(".doubt").all_text_contents()) == {"? doubtful"}
    page.select_option("[name=show]", "surely-wrong")
    assert set(page.locator(".doubt").all_text_contents()) <= {""}
    assert page.locator(".card.right").count() == 0


def test_choices_add_up_and_are_taken_back(page, path):
    page.goto(path)
    page.select_option("[name=truth]", label="all")
    page.select_option("[name=predicted]", label="hem")
    assert 0 < count(page) < 40
    assert set(page.locator(f"{SHOWN} span:nth-child(3)").all_text_contents()) == {"is all"}
    assert all("predicted hem" in text for text in verdicts(page))
    page.click("text=Reset")
    playwright.expect(page.locator("#count")).to_have_text("40 of 40 pictures")
    page.select_option("[name=subject]", "S003")
    assert {name[:4] for name in names(page)} == {"S003"}
    page.select_option("[name=subject]", "")
    page.fill("[name=search]", "s004-02")
    assert names(page) == ["S004-02"]
    page.fill("[name=search]", "nothing has this name")
    assert count(page) == 0
    assert page.locator("#empty").is_visible()
    page.click("#empty button")
    playwright.expect(page.locator("#count")).to_have_text("40 of 40 pictures")
    assert not page.locator("#empty").is_visible()


def test_a_picture_is_enlarged_with_its_facts(page, path):
    page.goto(path)
    shown = names(page)
    page.locator(".card").nth(2).click()
    viewer = page.locator("#viewer")
    assert viewer.is_visible()
    assert page.inner_text("#viewer-title") == f"{shown[2]}, 3 of 40"
    for fact in ("true class", "predicted", "probability", "uncertainty", "subject"):
        assert viewer.locator("dt", has_text=re.compile(f"^{fact}$")).count() == 1
    page.click("[data-step='1']")
    assert page.inner_text("#viewer-title").startswith(shown[3])
    page.click("[data-close]")
    assert not viewer.is_visible()


def test_the_keyboard_reaches_everything(page, path):
    page.goto(path)
    shown = names(page)
    focused = page.locator(":focus")
    title = page.locator("#viewer-title")
    across = page.evaluate("getComputedStyle(document.getElementById('cards')).gridTemplateColumns.split(' ').length")
    page.keyboard.press("/")
    assert focused.get_attribute("name") == "search"
    page.locator(".card").first.focus()
    for key, place in (("ArrowRight", 1), ("ArrowDown", 1 + across), ("End", -1), ("Home", 0)):
        page.keyboard.press(key)
        assert shown[place] in focused.text_content()
    for key, place in (("Enter", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        assert title.inner_text().startswith(shown[place])
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#viewer")).to_be_hidden()
    # The focus goes where one was last (the browser tells of the closing a moment later), and one picture alone is a
    # stop of the Tab key.
    playwright.expect(focused).to_contain_text(shown[1])
    assert page.locator(".card[tabindex='0']").count() == 1


def test_heat_maps_cover_the_pictures_where_asked(page, path):
    page.goto(path)
    heat = page.locator("img.heat")
    assert heat.count() == 0
    page.select_option("[name=map]", label="gradcam-layer4")
    page.locator("#gallery").scroll_into_view_if_needed()
    page.locator("[name=strength]").fill("80")
    assert heat.first.evaluate("one => getComputedStyle(one).opacity") == "0.8"
    page.locator(".card").first.focus()
    page.keyboard.press("m")
    assert heat.count() == 0
    page.keyboard.press("m")
    assert heat.count() > 0


def test_the_address_keeps_the_choice(page, path):
    page.goto(path)
    page.select_option("[name=show]", "wrong")
    page.select_option("[name=sort]", "name")
    page.select_option("[name=map]", label="gradcam-layer4")
    shown = names(page)
    page.locator(".card").nth(1).click()
    address = page.url
    assert "show=wrong" in address
    page.goto("about:blank")
    page.goto(address)
    assert names(page) == shown
    assert page.inner_text("#viewer-title").startswith(shown[1])
    assert page.locator("#viewer img.heat").count() == 1
    assert re.fullmatch("gradcam-layer4: (what|nothing) speaks for “all”", page.locator("#viewer dd").last.inner_text())
    page.requests.clear()


def test_models_of_a_sweep_are_chosen_among(page, sweep):
    page.goto(sweep)
    first = verdicts(page)
    page.select_option("[name=model]", "1")
    assert verdicts(page) != first
    page.select_option("[name=show]", "missed-by-all")
    missed = names(page)
    page.select_option("[name=model]", "0")
    assert sorted(names(page)) == sorted(missed)
    assert page.locator(".card.wrong").count() == page.locator(".card").count() > 0


@pytest.mark.parametrize("page", [(390, 844), (360, 740)], indirect=True)
@pytest.mark.parametrize("which", ["path", "sweep"])
def test_a_phone_never_rolls_sideways(page, which, request):
    page.goto(request.getfixturevalue(which))
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    width = page.evaluate("innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    figures = page.evaluate("[...document.querySelectorAll('.figures img')].map((one) => one.getBoundingClientRect())")
    assert all(0 < figure["right"] <= width for figure in figures)
    small = page.evaluate(
        """() => [...document.querySelectorAll("a, button, select, input, summary")]
            .filter((one) => one.checkVisibility() && !one.matches(".skip, p a"))
            .filter((one) => one.getBoundingClientRect().height < 43.9)
            .map((one) => one.outerHTML)"""
    )
    assert small == []
    page.locator(".card").first.click()
    box = page.locator("#viewer").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_many_pictures_are_shown_in_parts(page, tmp_path):
    """A page of thousands of cards at once is 100,000 pixels high."""
    write_report([write_run(tmp_path, make_run(images=280, subjects=70))])
    page.goto((tmp_path / "report.html").as_uri())
    total = int(page.inner_text("#count").split()[0])
    assert total > 130
    playwright.expect(page.locator(SHOWN)).to_have_count(48)
    assert page.inner_text("#more") == f"Show 120 more of {total - 48}"
    page.locator("#more").press("Enter")  # a click may miss: pictures above are still being laid out
    playwright.expect(page.locator(SHOWN)).to_have_count(min(168, total))
    playwright.expect(page.locator(f"{SHOWN}:nth-child(49) .card")).to_be_focused()
    page.fill("[name=search]", names(page)[0])
    assert page.locator("#more").is_hidden()
