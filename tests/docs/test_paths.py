"""What pages name exists: paths and code, links of the front page, and the tests of the page on security."""

import re
from pkgutil import resolve_name

import pytest

from karyocyte.common.paths import ROOT

PAGE = ROOT / "docs" / "explanation" / "architecture.md"
HOPS = re.findall(r"^\| \d+ \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
PLACES = sorted({place for hop in HOPS for place in re.findall(r"`([^`]+)`", hop)} - {"report.html"})


@pytest.mark.parametrize("place", PLACES)
def test_a_hop_names_code_that_exists(place):
    path, _, name = place.partition(": ")
    pattern = f"**/{path.rstrip('/')}" if path.endswith((".py", "/")) else f"**/{path}/__init__.py"
    files = [file for file in ROOT.glob(pattern) if not {"tests", ".venv"} & set(file.relative_to(ROOT).parts)]
    assert files, place
    if name:
        definition = re.compile(rf"^\s*(def|class) {name.split('.')[-1]}\b", re.MULTILINE)
        assert any(definition.search(file.read_text(encoding="utf-8")) for file in files), place


CHANGES = (PAGE.parent / "where_to_change.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+(?:/|\.(?:py|yaml|csv|j2|md|html\.j2)(?:: [\w.]+)?))`", CHANGES)))


@pytest.mark.parametrize("place", NAMED)
def test_a_place_to_change_exists(place):
    path, _, name = place.partition(": ")
    assert (ROOT / path).exists()
    if name:
        last = name.split(".")[-1]
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(def|class) {last}\b|^{last}\b.*=", text, re.MULTILINE)


def test_the_python_interface_names_objects_that_exist():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    names = re.findall(r"^::: (\S+)", pages, re.MULTILINE)
    assert names
    for name in names:
        resolve_name(name)


README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = sorted(set(re.findall(r"\]\(([^)\s:]+)\)", README)))


def anchors(page: str) -> set[str]:
    """Return the anchors that a code host gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("link", LINKS)
def test_a_link_leads_to_a_file_and_a_heading(link):
    path, _, anchor = link.partition("#")
    assert (ROOT / path).exists()
    if anchor:
        assert anchor in anchors((ROOT / path).read_text(encoding="utf-8"))


LIST = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8").partition("## Limits")[0]
ROWS = re.findall(r"^\| (?!what|---)(.*) \|$", LIST, re.MULTILINE)


@pytest.mark.parametrize("row", ROWS)
def test_each_line_has_a_test(row):
    file, name = re.fullmatch(r".* \| `((?:packages/\w+/)?tests/.*\.py)::(test_\w+)`", row).groups()
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
